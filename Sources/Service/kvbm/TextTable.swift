/// Columns of text: the first to the left, the others to the right.
enum TextTable {
  /// One line a row, two spaces between columns. Rows have equal lengths.
  static func lines(_ rows: [[String]]) -> [String] {
    let columns = rows.first?.indices ?? 0..<0
    let widths = columns.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      columns.map { column in
        let space = String(repeating: " ", count: widths[column] - row[column].count)
        return column == 0 ? row[column] + space : space + row[column]
      }
      .joined(separator: "  ")
    }
  }

  /// A number with a comma at every thousand.
  static func grouped(_ number: Int) -> String {
    var digits = String(number.magnitude)
    var text = ""
    while digits.count > 3 {
      text = "," + digits.suffix(3) + text
      digits = String(digits.dropLast(3))
    }
    return (number < 0 ? "-" : "") + digits + text
  }
}
