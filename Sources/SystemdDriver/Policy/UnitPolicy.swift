import Foundation
import NomadPlugin
import Systemd

/// Which units jobs may have.
struct UnitPolicy: Sendable, Hashable {
  /// What jobs of some namespaces may have.
  struct Rule: Sendable, Hashable {
    /// Of Nomad's namespaces.
    var namespace: UnitPattern = "*"
    /// Of jobs' identifiers.
    var job: UnitPattern = "*"
    var allowedUnits: [UnitPattern]
  }

  /// The units that jobs may have; nil: all.
  var allowedUnits: [UnitPattern]?
  /// Those that they may not have whatever else is said.
  var deniedUnits: [UnitPattern] = []
  /// Those of ``ProtectedUnits`` that they may have nonetheless.
  var unprotectedUnits: [UnitPattern] = []
  /// The types of units that jobs may have; nil: all.
  var allowedTypes: Set<UnitType>?
  /// A job that some of these are for may have what one of those allows, and nothing else.
  var rules: [Rule] = []
  /// The units that the plugin and the agent run in.
  var ownUnits = ProtectedUnits.own

  /// Why a job may not have a unit; nil if it may.
  ///
  /// What is denied is so by any of the unit's names; what is allowed is so by its true name.
  ///
  /// - Parameters:
  ///   - unit: the unit's true name, or the one that the job has for it as long as that is not known.
  ///   - aliases: the unit's other names, as far as they are known.
  func refusal(of unit: UnitName, aliases: [String] = [], to task: TaskConfig) -> String? {
    for name in [unit.name] + aliases {
      let subject = name == unit.name ? "it" : "its alias \(name)"
      if let pattern = self.deniedUnits.first(where: { $0.matches(name) }) {
        return "\(subject) is denied by \"\(pattern)\" in the plugin option denied_units"
      }
      guard !self.unprotectedUnits.contains(where: { $0.matches(name) }) else { continue }
      let reason =
        if self.ownUnits.contains(name) {
          "the plugin or the agent runs in it"
        } else if ProtectedUnits.patterns.contains(where: { $0.matches(name) }) {
          "the host depends on it"
        } else {
          String?.none
        }
      if let reason {
        return "\(subject) is protected, since \(reason). The plugin option unprotected_units can lift that"
      }
    }
    if let allowedTypes, !allowedTypes.contains(unit.type) {
      return "the plugin option allowed_unit_types has no \"\(unit.type.rawValue)\""
    }
    if let allowedUnits, !allowedUnits.contains(where: { $0.matches(unit.name) }) {
      return "nothing in the plugin option allowed_units matches it"
    }
    let rules = self.rules.filter { $0.namespace.matches(task.namespace) && $0.job.matches(task.jobID) }
    guard rules.isEmpty || rules.contains(where: { $0.allowedUnits.contains { $0.matches(unit.name) } })
    else {
      return "no policy block of the plugin that is for this namespace and job allows it"
    }
    return nil
  }
}
