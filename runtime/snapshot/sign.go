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
		resolve := d.Secrets.Resolve
		if p.Kind == "vertex" { // a key file has lines
			resolve = d.Secrets.ResolvePEM
		}
		v, err := resolve(ref)
		if err != nil {
			return nil, err
		}
		keys = append(keys, v)
	}
	switch p.Kind {
	case "azure-openai":
		if p.Entra == nil {
			return signer.Header("api-key", "", keys), nil
		}
		v, err := d.Secrets.Resolve(p.Entra.ClientSecret)
		if err != nil {
			return nil, err
		}
		return d.Tokens.Bearer(signer.Entra(p.Entra.Authority, p.Entra.Tenant, p.Entra.ClientID, p.Entra.Scope, v)), nil
	case "vertex":
		accounts := make([]signer.Signer, 0, len(keys))
		for i, key := range keys {
			accounts = append(accounts, d.Tokens.Bearer(signer.ServiceAccount(p.Credentials[i], key)))
		}
		return signer.Turns(accounts), nil
	case "bedrock":
		if len(p.AWSKeys) == 0 {
			return d.Tokens.AWSDefault(p.Region, "bedrock"), nil
		}
		aws := make([]signer.AWSKey, len(p.AWSKeys))
		for i := range p.AWSKeys {
			parts := [3]*secret.Value{}
			for j, ref := range p.AWSKeys[i].Refs() {
				v, err := d.Secrets.Resolve(ref)
				if err != nil {
					return nil, err
				}
				parts[j] = v
			}
			aws[i] = signer.AWSKey{ID: parts[0], Secret: parts[1], SessionToken: parts[2]}
		}
		return signer.SigV4(p.Region, "bedrock", aws), nil
	case "anthropic":
		return signer.Header("x-api-key", "", keys), nil
	case "gemini":
		return signer.Header("x-goog-api-key", "", keys), nil
	default:
		return signer.Header("Authorization", "Bearer ", keys), nil
	}
}
