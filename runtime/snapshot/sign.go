package snapshot

import (
	"github.com/gwc-dev/gwc/runtime/secret"
	"github.com/gwc-dev/gwc/runtime/signer"
	"github.com/gwc-dev/gwc/schema/artifact"
)

// sign binds how calls to a provider are signed, which its kind decides.
func sign(p *artifact.Provider, d Deps) (signer.Signer, error) {
	keys := make([]*secret.Value, 0, len(p.Credentials))
	for _, ref := range p.Credentials {
		v, err := d.Secrets.Resolve(ref)
		if err != nil {
			return nil, err
		}
		keys = append(keys, v)
	}
	switch p.Kind {
	case "anthropic":
		return signer.Header("x-api-key", "", keys), nil
	default:
		return signer.Header("Authorization", "Bearer ", keys), nil
	}
}
