/// Fits y = a·u + b·v, neither coefficient negative, to observations of which old ones fade.
///
/// Weighted least squares over two columns: five sums, whatever was observed.
struct FadingFit {
  private var (uu, uv, vv): (Double, Double, Double) = (0, 0, 0)
  private var (uy, vy): (Double, Double) = (0, 0)
  /// The coefficient of `u`.
  private(set) var a = 0.0
  /// The coefficient of `v`.
  private(set) var b = 0.0

  /// Less weight for all that was observed so far; `factor` is in 0...1.
  mutating func fade(by factor: Double) {
    (uu, uv, vv) = (uu * factor, uv * factor, vv * factor)
    (uy, vy) = (uy * factor, vy * factor)
  }

  /// Enters an observation.
  mutating func add(u: Double, v: Double, y: Double, weight: Double) {
    uu += weight * u * u
    uv += weight * u * v
    vv += weight * v * v
    uy += weight * u * y
    vy += weight * v * y
    solve()
  }

  /// What the fit expects.
  func value(u: Double, v: Double) -> Double { a * u + b * v }

  /// Where the columns say the same, all of it is laid to `u`.
  private mutating func solve() {
    // A little less trust in `v` keeps nearly equal columns from huge, opposite coefficients.
    let vv = vv * (1 + Self.ridge)
    let determinant = uu * vv - uv * uv
    if determinant > Self.ridge * uu * vv {
      a = (uy * vv - vy * uv) / determinant
      b = (vy * uu - uy * uv) / determinant
      if a >= 0 && b >= 0 { return }
    }
    // The best fit with both is on the edge: the better one of the two with a single column.
    let gainOfU = uu > 0 ? uy * uy / uu : 0
    let gainOfV = vv > 0 ? vy * vy / vv : 0
    if determinant <= Self.ridge * uu * vv || gainOfU >= gainOfV {
      (a, b) = (uu > 0 ? uy / uu : 0, 0)
    } else {
      (a, b) = (0, vv > 0 ? vy / vv : 0)
    }
  }

  private static let ridge = 1e-4
}
