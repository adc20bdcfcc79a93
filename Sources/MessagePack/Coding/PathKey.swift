/// A step of a coding path that no type of the caller names: an index, or the key of a super decoder.
struct PathKey: CodingKey {
  let stringValue: String
  let intValue: Int?

  init(stringValue: String) {
    self.stringValue = stringValue
    intValue = nil
  }

  init(intValue: Int) {
    self.init(index: intValue)
  }

  init(index: Int) {
    stringValue = "Index \(index)"
    intValue = index
  }
}
