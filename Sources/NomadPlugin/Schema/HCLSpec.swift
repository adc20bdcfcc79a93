import SwiftProtobuf

/// The schema of a configuration block: what a user may write and what Nomad hands over.
///
/// ```swift
/// let schema: HCLSpec = .object([
///   "unit": .attribute(.string, required: true),
///   "enabled": .default(.attribute(.bool), true),
///   "log": .blockList(.object(["path": .attribute(.string)])),
/// ])
/// ```
///
/// A name that is nil is the one the node has in the object around it. Nomad's rules for each form are in
/// hashicorp/nomad, `helper/pluginutils/hclspecutils/dec.go`.
public indirect enum HCLSpec: Sendable, Hashable {
  /// Named parts. The root of a schema is one, and so is the body of a block.
  case object([String: HCLSpec])

  /// A list with an element for each node. The nodes need names.
  case array([HCLSpec])

  /// `name = value`.
  case attribute(HCLType, required: Bool = false, name: String? = nil)

  /// `name { … }`, at most once.
  case block(HCLSpec, required: Bool = false, name: String? = nil)

  /// `name { key = value … }` with keys of the user's choice.
  case blockAttributes(HCLType, required: Bool = false, name: String? = nil)

  /// `name { … }`, repeated, in order. A limit of 0 is no limit.
  case blockList(HCLSpec, minimum: UInt64 = 0, maximum: UInt64 = 0, name: String? = nil)

  /// `name { … }`, repeated, without order or duplicates. A limit of 0 is no limit.
  case blockSet(HCLSpec, minimum: UInt64 = 0, maximum: UInt64 = 0, name: String? = nil)

  /// `name "label" … { … }`, keyed by its labels, of which there is at least one.
  case blockMap(labels: [String], HCLSpec, name: String? = nil)

  /// What the user wrote, or else a fixed value.
  case `default`(HCLSpec, HCLValue)

  /// A value that the user cannot set.
  case literal(HCLValue)
}

extension HCLSpec {
  /// The schema on the wire.
  ///
  /// Names are always spelled out: Nomad does not pass the name in an object on through a default.
  var wire: WireSpec { wire(impliedName: "") }

  private func wire(impliedName: String) -> WireSpec {
    .with {
      switch self {
      case .object(let attributes):
        $0.object = .with { object in
          for (name, spec) in attributes { object.attributes[name] = spec.wire(impliedName: name) }
        }
      case .array(let values):
        $0.array = .with { $0.values = values.map(\.wire) }
      case .attribute(let type, let required, let name):
        $0.attr = .with {
          $0.name = name ?? impliedName
          $0.type = type.expression
          $0.required = required
        }
      case .block(let nested, let required, let name):
        $0.blockValue = .with {
          $0.name = name ?? impliedName
          $0.required = required
          $0.nested = nested.wire
        }
      case .blockAttributes(let type, let required, let name):
        $0.blockAttrs = .with {
          $0.name = name ?? impliedName
          $0.type = type.expression
          $0.required = required
        }
      case .blockList(let nested, let minimum, let maximum, let name):
        $0.blockList = .with {
          $0.name = name ?? impliedName
          $0.minItems = minimum
          $0.maxItems = maximum
          $0.nested = nested.wire
        }
      case .blockSet(let nested, let minimum, let maximum, let name):
        $0.blockSet = .with {
          $0.name = name ?? impliedName
          $0.minItems = minimum
          $0.maxItems = maximum
          $0.nested = nested.wire
        }
      case .blockMap(let labels, let nested, let name):
        $0.blockMap = .with {
          $0.name = name ?? impliedName
          $0.labels = labels
          $0.nested = nested.wire
        }
      case .default(let primary, let value):
        $0.default = .with {
          $0.primary = primary.wire(impliedName: impliedName)
          $0.default = HCLSpec.literal(value).wire
        }
      case .literal(let value):
        $0.literal = .with { $0.value = value.expression }
      }
    }
  }
}

extension HCLSpec {
  /// Reads a schema from the wire.
  ///
  /// - Throws: ``DriverError`` for a form that Nomad would refuse, and for a default that is not a fixed value.
  init(_ wire: WireSpec) throws(DriverError) {
    try self.init(wire, impliedName: "")
  }

  private init(_ wire: WireSpec, impliedName: String) throws(DriverError) {
    func explicit(_ name: String) -> String? { name.isEmpty || name == impliedName ? nil : name }

    switch wire.block {
    case .object(let object):
      var attributes: [String: HCLSpec] = [:]
      for (name, spec) in object.attributes { attributes[name] = try HCLSpec(spec, impliedName: name) }
      self = .object(attributes)
    case .array(let array):
      var values: [HCLSpec] = []
      for spec in array.values { values.append(try HCLSpec(spec)) }
      self = .array(values)
    case .attr(let attribute):
      self = .attribute(
        HCLType(expression: attribute.type), required: attribute.required, name: explicit(attribute.name))
    case .blockValue(let block):
      self = .block(try HCLSpec(block.nested), required: block.required, name: explicit(block.name))
    case .blockAttrs(let block):
      self = .blockAttributes(
        HCLType(expression: block.type), required: block.required, name: explicit(block.name))
    case .blockList(let block):
      self = .blockList(
        try HCLSpec(block.nested), minimum: block.minItems, maximum: block.maxItems,
        name: explicit(block.name))
    case .blockSet(let block):
      self = .blockSet(
        try HCLSpec(block.nested), minimum: block.minItems, maximum: block.maxItems,
        name: explicit(block.name))
    case .blockMap(let block):
      self = .blockMap(labels: block.labels, try HCLSpec(block.nested), name: explicit(block.name))
    case .default(let pair):
      guard case .literal(let literal) = pair.default.block else {
        throw .unrecoverable("the schema has a default that is not a literal, at '\(impliedName)'")
      }
      let primary = try HCLSpec(pair.primary, impliedName: impliedName)
      self = .default(primary, HCLValue(expression: literal.value))
    case .literal(let literal):
      self = .literal(HCLValue(expression: literal.value))
    case nil:
      throw .unrecoverable("the schema has a node of no known form, at '\(impliedName)'")
    }
  }
}
