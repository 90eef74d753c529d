/// Opens shared stores by their URLs.
public enum ObjectStores {
  /// The store at a URL, `file:///directory` or `s3://bucket/prefix`, with the defaults.
  ///
  /// - Parameters:
  ///   - endpoint: of a bucket, `https://host:port`; nil for Amazon's.
  ///   - queueLimit: jobs that may wait.
  /// - Throws: `badSetting`, and what the store's own opening throws.
  public static func open(
    url: String, endpoint: String? = nil, queueLimit: Int = 256
  ) throws(ObjectError) -> any ObjectStore {
    switch try ObjectLocation(url: url) {
    case .directory(let path):
      var options = FileObjectStore.Options()
      options.queueLimit = queueLimit
      return try FileObjectStore(path: path, options: options)
    case .bucket(let name, let prefix):
      var settings = S3Settings(bucket: name, prefix: prefix)
      settings.endpoint = endpoint
      settings.queueLimit = queueLimit
      return try S3ObjectStore(settings)
    }
  }
}
