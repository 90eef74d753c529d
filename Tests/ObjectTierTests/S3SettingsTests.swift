import Testing

@testable import ObjectTier

@Suite("Where a bucket is, and who signs")
struct S3SettingsTests {
  @Test("The signature is that of the service's own example")
  func signature() {
    let signer = S3Signer(
      credentials: S3Credentials(
        accessKey: "AKIAIOSFODNN7EXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
      region: "us-east-1")
    let timestamp = S3Signer.timestamp(1_369_353_600)
    #expect(timestamp == "20130524T000000Z")
    let authorization = signer.authorization(
      method: "GET", path: "/test.txt",
      headers: [
        ("host", "examplebucket.s3.amazonaws.com"), ("range", "bytes=0-9"),
        ("x-amz-content-sha256", S3Signer.emptyPayload), ("x-amz-date", timestamp),
      ], payload: S3Signer.emptyPayload, timestamp: timestamp)
    #expect(
      authorization == "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
        + "aws4_request, SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        + "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
  }

  @Test("Amazon's buckets have hosts, other services' have paths")
  func endpoints() throws {
    func endpoint(_ bucket: String, _ url: String?, region: String = "eu-west-3") throws
      -> String
    {
      var settings = S3Settings(bucket: bucket, prefix: "a/b")
      settings.endpoint = url
      let found = try S3Endpoint(settings, region: region)
      #expect(found.base.hasSuffix("//" + found.host))
      return found.base + found.pathPrefix
    }
    #expect(try endpoint("bucket", nil) == "https://bucket.s3.eu-west-3.amazonaws.com/a/b/")
    #expect(try endpoint("with.point", nil) == "https://s3.eu-west-3.amazonaws.com/with.point/a/b/")
    #expect(
      try endpoint("bucket", nil, region: "cn-north-1")
        == "https://bucket.s3.cn-north-1.amazonaws.com.cn/a/b/")
    #expect(try endpoint("bucket", "https://minio:443/") == "https://minio/bucket/a/b/")
    #expect(try endpoint("bucket", "http://[::1]:9000") == "http://[::1]:9000/bucket/a/b/")
    for bad in ["minio:9000", "ftp://minio", "https://", "https://minio/path", "http://a b"] {
      #expect(throws: ObjectError.self) { try endpoint("bucket", bad) }
    }
  }

  @Test("Credentials come from the environment, then from the profile")
  func credentials() {
    let files = [
      "/home/.aws/credentials":
        "# mine\n[default]\naws_access_key_id = A\naws_secret_access_key=B=/+\n\n[other]\r\n"
        + "aws_access_key_id=C\r\naws_secret_access_key = D\r\naws_session_token = T\r\n",
      "/home/.aws/config": "[default]\nregion = eu-west-1\n[profile other]\nregion=eu-west-2\n",
      "/keys": "[default]\naws_access_key_id=K\naws_secret_access_key=L\n",
    ]
    func find(_ variables: [String: String]) -> S3Environment {
      S3Environment(
        variable: { $0 == "HOME" ? "/home" : variables[$0] },
        file: { files[$0].map { Array($0.utf8) } })
    }
    #expect(find([:]).credentials == S3Credentials(accessKey: "A", secret: "B=/+"))
    #expect(find([:]).region == "eu-west-1")
    let other = find(["AWS_PROFILE": "other", "AWS_CA_BUNDLE": "/ca"])
    #expect(other.credentials == S3Credentials(accessKey: "C", secret: "D", sessionToken: "T"))
    #expect(other.region == "eu-west-2" && other.caFile == "/ca")
    let environment = find([
      "AWS_ACCESS_KEY_ID": "E", "AWS_SECRET_ACCESS_KEY": "F", "AWS_REGION": "us-west-2",
    ])
    #expect(environment.credentials == S3Credentials(accessKey: "E", secret: "F"))
    #expect(environment.region == "us-west-2")
    #expect(find(["AWS_SHARED_CREDENTIALS_FILE": "/keys"]).credentials?.accessKey == "K")
    #expect(find(["AWS_PROFILE": "none"]).credentials == nil)
    #expect(!"\(other.credentials!)".contains("D"))
  }

  @Test("A place is a directory or a bucket, and anything else is refused in words")
  func places() throws {
    #expect(try ObjectLocation(url: "file:///shared/dir/") == .directory("/shared/dir"))
    #expect(try ObjectLocation(url: "s3://buc-ket") == .bucket("buc-ket", prefix: ""))
    #expect(try ObjectLocation(url: "s3://b.c-d/a//b_2/") == .bucket("b.c-d", prefix: "a/b_2"))
    for bad in [
      "", "/shared", "file://shared/dir", "file:///", "file:///a%20b", "s3://", "s3://Bucket",
      "s3://ab", "s3://a..b", "s3://-ab", "s3://bucket/a b", "s3://bucket/ä", "gs://bucket",
    ] {
      #expect(throws: ObjectError.self, "\(bad)") { try ObjectLocation(url: bad) }
    }
  }
}
