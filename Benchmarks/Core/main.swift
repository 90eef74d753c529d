// Measures the parts that every block goes through, each beside its yardstick, in one run.
// `swift run -c release kvbm-benchmarks`; docs/benchmarks.md has figures with their machine.

for row in Copies.rows() + Keys.rows() { print(row.line) }
