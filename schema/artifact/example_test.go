package artifact_test

import (
	"errors"
	"fmt"

	"github.com/gwc-dev/gwc/schema/artifact"
)

func Example() {
	b, err := artifact.Encode(&artifact.Artifact{Tenants: []artifact.Tenant{{Name: "acme"}}})
	if err != nil {
		panic(err)
	}
	a, digest, err := artifact.Decode(b)
	fmt.Println(a.Tenants[0].Name, digest.String()[:7], err)

	b[20] ^= 1
	_, _, err = artifact.Decode(b)
	fmt.Println(errors.Is(err, artifact.ErrDigest))
	// Output:
	// acme sha256: <nil>
	// true
}
