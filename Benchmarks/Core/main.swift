// Measures the parts that every block goes through, each beside its yardstick, in one run.
// `make bench`; docs/benchmarks.md has figures with their machine.
//
//   kvbm-benchmarks                       copies and keys
//   kvbm-benchmarks fixed                 the names of what has a fixed size
//   kvbm-benchmarks fixed NAME ROUNDS     plays it: scripts/instructions.sh counts what that takes

import CAllocations
import Glibc
import PoolBenchmarks

let arguments = CommandLine.arguments.dropFirst()
if arguments.first == "fixed" {
  guard let name = arguments.dropFirst().first else {
    for work in FixedWork.all { print("\(work.name) \(work.blocksPerRound)") }
    exit(0)
  }
  guard let work = FixedWork.all.first(where: { $0.name == name }),
    let roundCount = arguments.last.flatMap({ Int($0) })
  else { exit(64) }
  let play = work.open()
  play(16)
  let allocationCount = allocations_count()
  play(roundCount)
  let afterwards = allocations_count()
  print("\(afterwards - allocationCount) allocations")
} else {
  for row in Copies.rows() + Keys.rows() { print(row.line) }
}
