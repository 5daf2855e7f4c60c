// Package emit writes the artifact: the layout of table enters, with what it was made from; bytes leave.
//
// The bytes are a function of the artifact alone. Provenance names sources by their path in the repository and by
// digest, and the tool and language that read them. It holds no time, no machine and no folder outside the
// repository: the same commit gives the same bytes everywhere, which is what makes a digest worth signing.
package emit

import (
	"errors"
	"fmt"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/diag"
)

// codeTooLarge: the artifact would be larger than a runtime reads.
const codeTooLarge diag.Code = "GWC8001"

// Emit returns the artifact with its provenance, whose sources are in order of path, and its bytes. The artifact that
// it was given stays as it was. The error is a bug of the compiler: it made what the runtime would refuse.
func Emit(a *artifact.Artifact, from artifact.Provenance) (*artifact.Artifact, []byte, diag.Report, error) {
	out := *a
	out.Provenance = from
	var report diag.Report
	b, err := artifact.Encode(&out)
	if errors.Is(err, artifact.ErrTooLarge) {
		report.Add(diag.Diagnostic{Code: codeTooLarge, Severity: diag.Error,
			Summary: fmt.Sprintf("the artifact is larger than the %d MB that a runtime reads", artifact.MaxSize>>20),
			Help:    []string{"split the repository into several gateways"}})
		return nil, nil, report, nil
	}
	if err != nil {
		return nil, nil, report, fmt.Errorf("encode the artifact: %w", err)
	}
	return &out, b, report, nil
}
