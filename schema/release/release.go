// Package release says which release of gwc this is. The compiler writes it into artifacts and both binaries print it.
package release

// Version is the release, by semver.org. Nothing is stamped in by the linker, so that the same sources give the same
// binary.
const Version = "0.1.0"

// Tool is what stands in the provenance of artifacts.
const Tool = "gwc " + Version
