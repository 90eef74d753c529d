extension CopyPlan {
  /// The copies of one block as text, a line for each run of the rank's first head.
  ///
  /// Offsets are bytes from the layer's base and from the slot's beginning.
  public func describe(block: Int) -> String {
    guard block >= 0, block < deviceBlockCount else {
      return "no device block \(block), there are \(deviceBlockCount)"
    }
    var text =
      "block \(block), heads \(heads.lowerBound)..<\(heads.upperBound) of \(geometry.headCount): "
      + "\(copiesPerBlock) copies, \(bytesPerBlock) bytes\n"
    for run in runs {
      let layer = run.slotOffset / geometry.shape.layerBytes
      let slot = geometry.shape.headOffset(heads.lowerBound) + run.slotOffset
      text += "  layer \(layer): device +\(block &* run.blockStride) -> slot +\(slot), "
      if run.tokenCount > 1 { text += "\(run.tokenCount) tokens every \(run.tokenStride), " }
      if run.halfCount > 1 { text += "K and V \(run.halfStride) apart, " }
      text += "\(run.byteCount) bytes each\n"
    }
    text += "  next head: device +\(runs[0].headStride), slot +\(geometry.headBytes)\n"
    return text
  }
}
