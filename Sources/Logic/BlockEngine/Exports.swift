// Keys, ids and counts are part of this module's interface: who imports it can name them.
@_exported import BlockIdentity
@_exported import BlockPool
@_exported import PathEstimate
