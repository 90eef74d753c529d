import BlockPolicy

/// Lets in what was asked for at least twice of late, by a sketch of all requests.
///
/// For comparison: the admission of W-TinyLFU without its window and its victim. Unlike a list of
/// tags the sketch forgets by halves, and mistakes keys for one another.
struct TinyLFU: AdmissionPolicy {
  private var sketch: FrequencySketch

  init(capacity: Int) { sketch = FrequencySketch(capacity: capacity) }

  mutating func admits(_ candidate: AdmissionCandidate) -> Bool {
    let tag = RecentTags.tag(candidate.key)
    sketch.count(tag)
    return sketch.estimate(tag) > 1
  }
}
