import FoundationEssentials
import TierBenchmarks

/// The yardstick of disks: fio, with io_uring, on a file that is there.
enum Fio {
  private struct Output: Decodable {
    struct Job: Decodable {
      var read: Way
      var write: Way
      var usrCpu: Double
      var sysCpu: Double
    }

    struct Way: Decodable {
      var bwBytes: Double
    }

    var jobs: [Job]
  }

  /// Whether there is a fio to run.
  static var isThere: Bool {
    if case .ended(0, _) = ChildProcess.run(["fio", "--version"], timeoutSeconds: 10) {
      true
    } else {
      false
    }
  }

  /// Plays one question; nil when fio fails or says something else.
  static func run(_ question: TierReport.FioQuestion) -> TierReport.FioFigures? {
    let arguments = [
      "fio", "--name=kvbm", "--filename=\(question.path)", "--ioengine=io_uring",
      "--rw=\(question.isRead ? "randread" : "randwrite")", "--norandommap",
      "--bs=\(question.blockBytes)", "--iodepth=\(question.depth)",
      "--direct=\(question.isDirect ? 1 : 0)", "--size=\(question.byteCount)", "--time_based",
      "--runtime=\(Int(question.seconds * 1_000))ms", "--fallocate=none", "--invalidate=0",
      "--overwrite=1", "--thread", "--output-format=json",
    ]
    guard case .ended(0, let output) = ChildProcess.run(arguments, timeoutSeconds: 120) else {
      return nil
    }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard let start = output.firstIndex(of: "{"),
      let job = try? decoder.decode(Output.self, from: Data(output[start...].utf8)).jobs.first
    else { return nil }
    let speed = question.isRead ? job.read.bwBytes : job.write.bwBytes
    guard speed > 0 else { return nil }
    let cpuShare = (job.usrCpu + job.sysCpu) / 100
    return TierReport.FioFigures(
      gbps: speed / 1e9, cpuPerKib: cpuShare * 1e9 / (speed / 1024))
  }
}
