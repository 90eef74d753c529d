import BlockEngine
import FoundationEssentials

/// What tenants may have of the tiers, by name, as a node is told at its start.
public struct TenantSettings: Equatable, Sendable {
  /// In order of their names.
  public let named: [(name: String, share: TenantShare)]
  /// What each tenant may have that is not named.
  public let others: TenantShare

  /// The name that stands for all that are not named.
  public static let othersName = "*"
  /// Who pays for what requests bring that name no tenant.
  public static let standardName = "default"
  /// What settings must be: the rest of a sentence that begins "it must be".
  public static let remedy =
    "an object of tenants, as in {\"acme\": {\"host_share\": \"30%\", \"host_reserve\": \"10%\"}, "
    + "\"*\": {\"host_share\": \"20%\"}}"

  /// Reads settings as people write them; see `remedy`.
  ///
  /// - Throws: What is wrong, with the tenant and the key.
  public init(json: String) throws(ConfigurationError) {
    guard
      let said = try? JSONDecoder().decode([String: [String: Word]].self, from: Data(json.utf8)),
      !said.isEmpty
    else { throw ConfigurationError(key: "tenants", value: json, remedy: Self.remedy) }
    var named: [(name: String, share: TenantShare)] = []
    var others = TenantShare()
    for (name, words) in said.sorted(by: { $0.key < $1.key }) {
      let share = try Self.share(of: name, words)
      if name == Self.othersName { others = share } else { named.append((name, share)) }
    }
    self.named = named
    self.others = others
    try check()
  }

  /// Whether two settings say the same.
  public static func == (a: TenantSettings, b: TenantSettings) -> Bool {
    a.others == b.others && a.named.elementsEqual(b.named, by: ==)
  }

  /// Whether a tenant can have that name.
  public static func isName(_ name: String) -> Bool {
    (1...nameBytesMax).contains(name.utf8.count)
      && name.unicodeScalars.allSatisfy { scalar in
        ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar)
          || ("0"..."9").contains(scalar) || "._@:-".unicodeScalars.contains(scalar)
      }
  }

  private static let nameBytesMax = 64
  /// Leaves room for tenants that are not named.
  private static let namedCountMax = 32

  /// What is reserved must be there for all at a time.
  private func check() throws(ConfigurationError) {
    guard named.count <= Self.namedCountMax else {
      throw ConfigurationError(
        key: "tenants", value: "\(named.count) tenants",
        remedy: "\(Self.namedCountMax) tenants by name at most")
    }
    for tier in Tier.allCases {
      let sum = named.reduce(0) { $0 + $1.share[tier].reservePercent }
      guard sum <= 100 else {
        throw ConfigurationError(
          key: "tenants", value: "\(sum)% of the \(tier) tier reserved",
          remedy: "100% for all tenants together at most")
      }
    }
  }

  private static func share(
    of name: String, _ words: [String: Word]
  ) throws(ConfigurationError) -> TenantShare {
    guard name == othersName || isName(name) else {
      throw ConfigurationError(
        key: "tenants", value: name,
        remedy: "a name of 1 to \(nameBytesMax) letters, digits and . _ @ : -, or \"*\" for all "
          + "others")
    }
    var percents: [String: Int] = [:]
    for (key, word) in words.sorted(by: { $0.key < $1.key }) {
      guard ["host_share", "host_reserve", "disk_share", "disk_reserve"].contains(key) else {
        throw ConfigurationError(
          key: "tenants.\(name).\(key)", value: word.text,
          remedy: "host_share, host_reserve, disk_share or disk_reserve")
      }
      guard let percent = word.percent else {
        throw ConfigurationError(
          key: "tenants.\(name).\(key)", value: word.text,
          remedy: "a share from \"0\" to \"100%\", as in \"30%\"")
      }
      percents[key] = percent
    }
    return TenantShare(
      host: try part("host", of: name, percents), disk: try part("disk", of: name, percents))
  }

  private static func part(
    _ tier: String, of name: String, _ percents: [String: Int]
  ) throws(ConfigurationError) -> TenantShare.Part {
    let (limit, reserve) = (percents["\(tier)_share"] ?? 100, percents["\(tier)_reserve"] ?? 0)
    guard reserve <= limit else {
      throw ConfigurationError(
        key: "tenants.\(name).\(tier)_reserve", value: "\(reserve)%",
        remedy: "no more than its \(tier)_share, \(limit)%")
    }
    guard name != othersName || reserve == 0 else {
      throw ConfigurationError(
        key: "tenants.*.\(tier)_reserve", value: "\(reserve)%",
        remedy: "said of tenants by name: how many others there will be is not known")
    }
    return TenantShare.Part(limitPercent: limit, reservePercent: reserve)
  }

  /// A share as people write it: "30%", "30" or 30.
  private struct Word: Decodable {
    let text: String

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let number = try? container.decode(Int.self) {
        text = String(number)
      } else {
        text = try container.decode(String.self)
      }
    }

    var percent: Int? {
      let digits = text.hasSuffix("%") ? text.dropLast() : text[...]
      guard !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) }),
        let percent = Int(digits), percent <= 100
      else { return nil }
      return percent
    }
  }
}
