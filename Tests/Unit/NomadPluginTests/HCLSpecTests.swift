import SwiftProtobuf
import Testing

@testable import NomadPlugin

@Suite struct HCLSpecTests {
  private func attribute(_ name: String, _ type: String, required: Bool = false) -> WireSpec {
    .with {
      $0.attr = .with {
        $0.name = name
        $0.type = type
        $0.required = required
      }
    }
  }

  private func object(_ attributes: [String: WireSpec]) -> WireSpec {
    .with { $0.object = .with { $0.attributes = attributes } }
  }

  @Test func attributesHaveTheNameOfTheirPlace() {
    let schema: HCLSpec = .object([
      "unit": .attribute(.string, required: true), "env": .attribute(.map(.list(.set(.number)))),
      "other": .attribute(.any, name: "renamed"),
    ])
    #expect(
      schema.wire
        == object([
          "unit": attribute("unit", "string", required: true),
          "env": attribute("env", "map(list(set(number)))"),
          "other": attribute("renamed", "any"),
        ]))
  }

  @Test func theNameIsSpelledOutInsideADefault() {
    let schema: HCLSpec = .object(["enabled": .default(.attribute(.bool), true)])
    let expected = WireSpec.with {
      $0.default = .with {
        $0.primary = attribute("enabled", "bool")
        $0.default = .with { $0.literal = .with { $0.value = "true" } }
      }
    }
    #expect(schema.wire == object(["enabled": expected]))
  }

  @Test func blocks() throws {
    let body: HCLSpec = .object(["path": .attribute(.string)])
    let wireBody = object(["path": attribute("path", "string")])
    let schema: HCLSpec = .object([
      "one": .block(body, required: true),
      "attributes": .blockAttributes(.string, required: true),
      "many": .blockList(body, minimum: 1, maximum: 3),
      "some": .blockSet(body, maximum: 2),
      "named": .blockMap(labels: ["name", "kind"], body),
      "fixed": .literal("x"),
      "pair": .array([.attribute(.string, name: "a"), .attribute(.number, name: "b")]),
    ])
    #expect(
      schema.wire
        == object([
          "one": .with {
            $0.blockValue = .with {
              $0.name = "one"
              $0.required = true
              $0.nested = wireBody
            }
          },
          "attributes": .with {
            $0.blockAttrs = .with {
              $0.name = "attributes"
              $0.type = "string"
              $0.required = true
            }
          },
          "many": .with {
            $0.blockList = .with {
              $0.name = "many"
              $0.minItems = 1
              $0.maxItems = 3
              $0.nested = wireBody
            }
          },
          "some": .with {
            $0.blockSet = .with {
              $0.name = "some"
              $0.maxItems = 2
              $0.nested = wireBody
            }
          },
          "named": .with {
            $0.blockMap = .with {
              $0.name = "named"
              $0.labels = ["name", "kind"]
              $0.nested = wireBody
            }
          },
          "fixed": .with { $0.literal = .with { $0.value = "\"x\"" } },
          "pair": .with {
            $0.array = .with { $0.values = [attribute("a", "string"), attribute("b", "number")] }
          },
        ]))
    #expect(try HCLSpec(schema.wire) == schema)
  }

  @Test func whatNomadWouldRefuseIsAnError() {
    #expect(throws: DriverError.self) { try HCLSpec(WireSpec()) }
    #expect(throws: DriverError.self) { try HCLSpec(object(["x": WireSpec()])) }
    #expect(throws: DriverError.self) {
      try HCLSpec(
        .with {
          $0.default.primary = attribute("a", "any")
          $0.default.default = attribute("b", "any")
        })
    }
  }

  @Test(
    arguments: [
      (true, "true"), (false, "false"), (0, "0"), (-5, "-5"), (0.5, "0.5"), (1e-7, "1e-07"),
      (.double(.infinity), "null"), (.double(.nan), "null"),
      ("", #""""#), ("1s", #""1s""#), ("say \"hi\"", #""say \"hi\"""#), (#"C:\x"#, #""C:\\x""#),
      ("a\tb\nc\r", #""a\tb\nc\r""#), ("\u{0}\u{1b}\u{7f}\u{85}", #""\u0000\u001b\u007f\u0085""#),
      ("${x} $${x} %{if} $ % {}", #""\u0024{x} $\u0024{x} \u0025{if} $ % {}""#), ("äß✓🎉", #""äß✓🎉""#),
      ([], "[]"), (["a", 1, true, ["b"]], #"["a", 1, true, ["b"]]"#),
    ] as [(HCLValue, String)])
  func literals(value: HCLValue, expression: String) {
    #expect(value.expression == expression)
  }
}
