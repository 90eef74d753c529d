import Glibc

/// Hit rates over capacities as a picture, one line a policy.
public struct HitRatePlot {
  /// A policy's hit rates.
  public struct Line {
    /// The policy's name.
    public let name: String
    /// Capacity in blocks, at least 1, and hit rate, 0...1.
    public let points: [(blocks: Int, rate: Double)]

    /// A line through points, in any order.
    public init(name: String, points: [(Int, Double)]) {
      self.name = name
      self.points = points.map { (blocks: $0.0, rate: $0.1) }.sorted { $0.blocks < $1.blocks }
    }
  }

  private let lines: [Line]
  private let title: String
  private let blocksMin: Int
  private let blocksMax: Int
  private let rateMax: Double

  private static let colors = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f3c8d", "#666666",
  ]
  private static let width = 720.0
  private static let height = 420.0
  private static let left = 60.0
  private static let right = 560.0
  private static let top = 40.0
  private static let bottom = 370.0

  /// A picture of lines; its capacities are on a logarithmic scale.
  public init(lines: [Line], title: String) {
    self.lines = lines
    self.title = title
    let points = lines.flatMap(\.points)
    blocksMin = points.map(\.blocks).min() ?? 1
    blocksMax = points.map(\.blocks).max() ?? 1
    let best = points.map(\.rate).max() ?? 0
    rateMax = max(0.05, (best * 20).rounded(.up) / 20)
  }

  /// The picture as an SVG document.
  public var svg: String {
    var text = """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(number(Self.width)) \
      \(number(Self.height))" font-family="sans-serif" font-size="12">
      <rect width="100%" height="100%" fill="white"/>
      <text x="\(number(Self.left))" y="22" font-size="14">\(Self.escaped(title))</text>

      """
    text += rateAxis() + blockAxis()
    for (position, line) in lines.enumerated() { text += drawn(line, at: position) }
    return text + "</svg>\n"
  }

  private func rateAxis() -> String {
    let step = rateMax > 0.3 ? 0.1 : 0.05
    return stride(from: 0, through: rateMax + 1e-9, by: step).map { rate in
      let y = number(y(of: rate))
      return """
        <path d="M\(number(Self.left)) \(y)H\(number(Self.right))" stroke="#dddddd"/>
        <text x="\(number(Self.left - 6))" y="\(y)" dy="4" text-anchor="end">\
        \(Int((rate * 100).rounded())) %</text>

        """
    }.joined()
  }

  private func blockAxis() -> String {
    let capacities = Set(lines.flatMap { $0.points.map(\.blocks) }).sorted()
    // Labels that would lie on one another are left out.
    var free = -Double.infinity
    var text = ""
    for blocks in capacities where x(of: blocks) >= free {
      free = x(of: blocks) + 44
      text += """
        <text x="\(number(x(of: blocks)))" y="\(number(Self.bottom + 18))" text-anchor="middle">\
        \(blocks)</text>

        """
    }
    return text + """
      <text x="\(number((Self.left + Self.right) / 2))" y="\(number(Self.bottom + 38))" \
      text-anchor="middle">blocks</text>

      """
  }

  private func drawn(_ line: Line, at position: Int) -> String {
    let color = Self.colors[position % Self.colors.count]
    // The second time round the colours, lines are dashed.
    let dash = position < Self.colors.count ? "" : " stroke-dasharray=\"5 3\""
    let path = line.points.map { "\(number(x(of: $0.blocks))) \(number(y(of: $0.rate)))" }
    let labelY = number(Self.top + 10 + 18 * Double(position))
    let marks = line.points.map {
      "<circle cx=\"\(number(x(of: $0.blocks)))\" cy=\"\(number(y(of: $0.rate)))\" r=\"2.5\" "
        + "fill=\"\(color)\"/>\n"
    }
    return """
      <path d="M\(path.joined(separator: "L"))" fill="none" stroke="\(color)" \
      stroke-width="1.8"\(dash)/>
      \(marks.joined())<path d="M\(number(Self.right + 14)) \(labelY)h20" stroke="\(color)" \
      stroke-width="1.8"\(dash)/>
      <text x="\(number(Self.right + 40))" y="\(labelY)" dy="4">\(Self.escaped(line.name))</text>

      """
  }

  private func x(of blocks: Int) -> Double {
    guard blocksMax > blocksMin else { return (Self.left + Self.right) / 2 }
    let share =
      log(Double(blocks) / Double(blocksMin))
      / log(Double(blocksMax) / Double(blocksMin))
    return Self.left + share * (Self.right - Self.left)
  }

  private func y(of rate: Double) -> Double {
    Self.bottom - rate / rateMax * (Self.bottom - Self.top)
  }

  private func number(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(abs(tenths % 10))"
  }

  private static func escaped(_ text: String) -> String {
    text.reduce(into: "") { result, character in
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      default: result.append(character)
      }
    }
  }
}
