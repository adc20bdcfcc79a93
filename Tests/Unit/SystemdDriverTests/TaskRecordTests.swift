import NomadPlugin
import Systemd
import TestHelpers
import Testing

@testable import SystemdDriver

@Suite struct TaskRecordTests {
  /// A file as the first version of the plugin that keeps records writes it, and a field of a later one.
  private let firstForm = """
    {"allocation":"d93406a4","allocationDirectory":"/var/lib/nomad/alloc/d93406a4","delivered":3,"destroyed":4,\
    "end":{"exitCode":137,"message":"once.service was killed","oomKilled":true,"signal":9,"time":2},\
    "firstRun":"b0463102a77540b982b6094f5b69f7cf","job":"once","lastRun":"9eaeea9ee1284c1597b0266afcb8703b",\
    "later":{"a":[1]},"namespace":"default","task":"d93406a4/t/99d84401","unit":"once.service","version":1}

    """

  private func config() throws -> TaskConfig {
    var config = try TaskConfig.test(unit: "web")
    config.jobID = "job"
    config.namespace = "default"
    config.allocationDirectory = "/alloc"
    return config
  }

  @Test func theFirstForm() throws {
    let record = try #require(TaskRecord(Array(self.firstForm.utf8)))
    #expect(record.task == "d93406a4/t/99d84401" && record.unit == "once.service")
    #expect(record.namespace == "default" && record.job == "once" && record.allocation == "d93406a4")
    #expect(record.allocationDirectory == "/var/lib/nomad/alloc/d93406a4")
    #expect(record.firstRun == "b0463102a77540b982b6094f5b69f7cf")
    #expect(record.lastRun == "9eaeea9ee1284c1597b0266afcb8703b")
    let end = try #require(record.end)
    #expect(end.time == 2)
    #expect(
      ExitResult(end)
        == ExitResult(exitCode: 137, signal: 9, oomKilled: true, message: "once.service was killed"))
    #expect(record.delivered == 3 && record.destroyed == 4)
  }

  @Test func roundTrip() throws {
    var record = TaskRecord(of: try self.config(), unit: try UnitName("web.service"))
    var lifecycle = UnitLifecycle(recovered: "a", isSameBoot: true)
    record.take(lifecycle)
    #expect(record.firstRun == "a" && record.end == nil)
    lifecycle = UnitLifecycle(recovered: "b", isSameBoot: true)
    _ = lifecycle.leave()
    record.take(lifecycle)
    #expect(record.firstRun == "a" && record.lastRun == "b" && record.end?.exitCode == 0)
    #expect(TaskRecord(try record.encoded) == record)
    #expect(record.namespace == "default" && record.job == "job" && record.allocationDirectory == "/alloc")
  }

  @Test func whatIsNotToldYetIsNotThere() throws {
    var record = TaskRecord(of: try self.config(), unit: try UnitName("web.service"))
    record.take(UnitLifecycle(previousInvocationID: "a"))
    #expect(record.firstRun == nil && record.lastRun == nil)
  }

  @Test(arguments: [
    "", "{}", "null", "[]", "{\"version\":1}", "{\"version\":2,\"task\":\"a\",\"unit\":\"a.service\"}",
    "{\"version\":1,\"task\":\"a\",\"unit\":7}", "\u{0}",
  ])
  func garbage(text: String) { #expect(TaskRecord(Array(text.utf8)) == nil) }

  @Test func aLongMessageIsCut() throws {
    var record = TaskRecord(of: try self.config(), unit: try UnitName("web.service"))
    let result = ExitResult(exitCode: 1, message: String(repeating: "x", count: 1 << 20))
    record.take(UnitLifecycle(recovered: nil, isSameBoot: true, end: (result, nil)))
    #expect(try record.encoded.count < RecordDirectory.maximumSize)
  }

  /// Vectors of FIPS 180-4, and one whose padding needs a block of its own.
  @Test(
    arguments: [
      ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
      ),
      (
        String(repeating: "a", count: 1000),
        "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3"
      ),
    ] as [(String, String)])
  func hashes(text: String, hash: String) { #expect(SHA256.hexadecimal(of: text.utf8) == hash) }
}
