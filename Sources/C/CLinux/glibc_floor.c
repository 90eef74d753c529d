// The Swift runtime's one reference to a symbol that is newer than glibc 2.34, the floor of what we
// ship: hypotf got a new version in 2.35. Defined here, it is not taken from the system.
//
// A double holds the sum of two squared floats without overflow, and the result to half a unit.
__attribute__((visibility("hidden"))) float hypotf(float x, float y) {
  if (__builtin_isinf(x) || __builtin_isinf(y)) return __builtin_inff();
  return (float)__builtin_sqrt((double)x * x + (double)y * y);
}
