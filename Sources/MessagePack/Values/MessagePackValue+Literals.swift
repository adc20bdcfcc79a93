extension MessagePackValue: ExpressibleByNilLiteral {
  /// Makes ``MessagePackValue/nil``.
  public init(nilLiteral: ()) {
    self = .nil
  }
}

extension MessagePackValue: ExpressibleByBooleanLiteral {
  /// Makes a ``MessagePackValue/bool(_:)``.
  public init(booleanLiteral value: Bool) {
    self = .bool(value)
  }
}

extension MessagePackValue: ExpressibleByIntegerLiteral {
  /// Makes a ``MessagePackValue/integer(_:)``.
  public init(integerLiteral value: Int128) {
    self = .integer(value)
  }
}

extension MessagePackValue: ExpressibleByFloatLiteral {
  /// Makes a ``MessagePackValue/float(_:)``.
  public init(floatLiteral value: Double) {
    self = .float(value)
  }
}

extension MessagePackValue: ExpressibleByStringLiteral {
  /// Makes a ``MessagePackValue/string(_:)``.
  public init(stringLiteral value: String) {
    self = .string(value)
  }
}

extension MessagePackValue: ExpressibleByArrayLiteral {
  /// Makes an ``MessagePackValue/array(_:)``.
  public init(arrayLiteral elements: MessagePackValue...) {
    self = .array(elements)
  }
}

extension MessagePackValue: ExpressibleByDictionaryLiteral {
  /// Makes a ``MessagePackValue/map(_:)`` with the entries in the order of the literal.
  public init(dictionaryLiteral elements: (MessagePackValue, MessagePackValue)...) {
    self = .map(elements.map { MapEntry(key: $0.0, value: $0.1) })
  }
}
