/// Opens shared stores by their URLs.
public enum ObjectStores {
  /// The store at a URL, `file:///directory` or `s3://bucket/prefix`, with the defaults.
  ///
  /// - Parameter endpoint: of a bucket, `https://host:port`; nil for Amazon's.
  /// - Throws: `badSetting`, and what the store's own opening throws.
  public static func open(url: String, endpoint: String? = nil) throws(ObjectError)
    -> any ObjectStore
  {
    switch try ObjectLocation(url: url) {
    case .directory(let path): return try FileObjectStore(path: path)
    case .bucket(let name, let prefix):
      var settings = S3Settings(bucket: name, prefix: prefix)
      settings.endpoint = endpoint
      return try S3ObjectStore(settings)
    }
  }
}
