package importer

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/gwc-dev/gwc/compiler/scaffold"
)

// fromEnvironment is how LiteLLM writes that a value stands in a variable.
const fromEnvironment = "os.environ/"

var (
	azureVersion = regexp.MustCompile(`^([0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?|v1|preview)$`)
	googleName   = regexp.MustCompile(`^[a-z0-9][a-z0-9.:-]{0,62}$`)
	awsRegion    = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]{1,2}$`)
	entraName    = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,126}[A-Za-z0-9])?$`)
)

// secret returns a reference to a secret: to the variable that the file names, or to one that is to be set to what stands
// in the file. It returns "" where the value names no variable.
func (b *builder) secret(v *value, variable string) string {
	name, fromEnv := strings.CutPrefix(v.str(), fromEnvironment)
	if !fromEnv {
		return b.variable(v, variable)
	}
	ref, _ := b.refer(name)
	return ref
}

// key reads the key of a provider that is called with one. why says what is wrong with it.
func (b *builder) key(p *scaffold.Provider, params *value, v served) (why string) {
	key := params.get("api_key")
	env := v.env
	switch {
	case key.str() != "":
		if env == "" {
			env = strings.ToUpper(p.Name) + "_API_KEY"
		}
		ref := b.secret(key, env)
		if ref == "" {
			return "its api_key names no variable"
		}
		p.Credentials = []scaffold.Credential{{Ref: ref}}
	case v.env != "" && !v.own:
		ref, _ := b.refer(v.env) // LiteLLM looks there
		p.Credentials = []scaffold.Credential{{Ref: ref}}
	}
	return ""
}

// azure reads what a resource of Azure OpenAI is called with.
func (b *builder) azure(p *scaffold.Provider, params *value, path, env string) (why string) {
	version := params.get("api_version")
	switch text := version.str(); {
	case !version.there():
		b.lose(params.get("model"), path+".litellm_params.api_version", "it is not said: gwc asks for 2024-10-21 unless apiVersion says otherwise")
	case strings.HasPrefix(text, fromEnvironment):
		b.lose(version, path+".litellm_params.api_version", "it stands in a variable, and gwc reads only secrets from there: set apiVersion of its provider")
	case !azureVersion.MatchString(text):
		b.lose(version, path+".litellm_params.api_version", "it is no version of Azure's API: set apiVersion of its provider")
	default:
		p.APIVersion = text
	}
	tenant, client, secret := params.get("tenant_id"), params.get("client_id"), params.get("client_secret")
	if !secret.there() {
		return b.key(p, params, served{env: env})
	}
	if !entraName.MatchString(tenant.str()) || !entraName.MatchString(client.str()) {
		return "its tenant_id and client_id have to stand in the file: gwc reads only secrets from variables"
	}
	ref := b.secret(secret, "AZURE_CLIENT_SECRET")
	if ref == "" {
		return "its client_secret names no variable"
	}
	p.Entra = &scaffold.Entra{Tenant: tenant.text, ClientID: client.text, Secret: ref}
	return ""
}

// vertex reads the project of a model of Vertex AI, where it runs, and who asks.
func (b *builder) vertex(p *scaffold.Provider, params *value, path, model string) (why string) {
	if !strings.HasPrefix(model, "gemini-") && !strings.HasPrefix(model, "claude-") && !strings.HasPrefix(model, "text-") {
		return "of Vertex AI gwc calls the models of Google and of Anthropic"
	}
	project, location := params.get("vertex_project"), params.get("vertex_location")
	for _, v := range []*value{project, location} {
		if strings.HasPrefix(v.str(), fromEnvironment) {
			return "its project or location stands in a variable: gwc reads only secrets from there; write it and import again"
		}
	}
	if !googleName.MatchString(project.str()) {
		return "it needs a vertex_project"
	}
	p.Project, p.Location = project.text, "us-central1" // LiteLLM's own default
	if location.there() {
		if !googleName.MatchString(location.str()) {
			return "its vertex_location is no location"
		}
		p.Location = location.text
	}
	account := params.get("vertex_credentials")
	switch text := account.str(); {
	case strings.HasPrefix(text, fromEnvironment):
		ref := b.secret(account, "")
		if ref == "" {
			return "its vertex_credentials name no variable"
		}
		b.lose(account, path+".litellm_params.vertex_credentials", "gwc wants the key file's JSON in the variable; for a path write \"file:PATH\" as serviceAccount")
		p.Credentials = []scaffold.Credential{{ServiceAccount: ref}}
	case strings.HasPrefix(strings.TrimSpace(text), "{"):
		p.Credentials = []scaffold.Credential{{ServiceAccount: b.variable(account, "VERTEX_SERVICE_ACCOUNT")}}
	case account.kind == 'm':
		b.lose(account, path+".litellm_params.vertex_credentials", "set the variable VERTEX_SERVICE_ACCOUNT to it, as JSON")
		ref, _ := b.refer("VERTEX_SERVICE_ACCOUNT")
		p.Credentials = []scaffold.Credential{{ServiceAccount: ref}}
	case plainPath.MatchString(text):
		p.Credentials = []scaffold.Credential{{ServiceAccount: "file:" + text}}
	case account.there():
		return "its vertex_credentials are neither a path nor JSON"
	default:
		b.lose(params.get("model"), path+".litellm_params.vertex_credentials", "gwc does not look for credentials of the machine: set the variable VERTEX_SERVICE_ACCOUNT to the key file of a service account, as JSON")
		ref, _ := b.refer("VERTEX_SERVICE_ACCOUNT")
		p.Credentials = []scaffold.Credential{{ServiceAccount: ref}}
	}
	return ""
}

// plainPath is a path that a reference can name.
var plainPath = regexp.MustCompile(`^[A-Za-z0-9._/-]{1,512}$`)

// bedrock reads the region and the access key of a model of Amazon Bedrock, and returns the model's id without what
// LiteLLM puts before it.
func (b *builder) bedrock(p *scaffold.Provider, params *value, path, model string) (id, why string) {
	for {
		first, rest, ok := strings.Cut(model, "/")
		switch {
		case !ok:
		case first == "converse" || first == "converse_like":
			model = rest
			continue
		case first == "invoke":
			b.lose(params.get("model"), path+".litellm_params.model", "gwc calls models of Bedrock by Converse and not by InvokeModel")
			model = rest
			continue
		case awsRegion.MatchString(first):
			p.Region, model = first, rest
			continue
		}
		break
	}
	if region := params.get("aws_region_name"); region.there() {
		if strings.HasPrefix(region.str(), fromEnvironment) {
			return "", "its aws_region_name stands in a variable: gwc reads only secrets from there; write it and import again"
		}
		p.Region = region.str()
	}
	if !awsRegion.MatchString(p.Region) {
		return "", "it needs an aws_region_name"
	}
	key, secret, token := params.get("aws_access_key_id"), params.get("aws_secret_access_key"), params.get("aws_session_token")
	if !key.there() && !secret.there() {
		return model, "" // the default chain finds who the gateway is, as LiteLLM's does
	}
	c := scaffold.Credential{}
	for _, f := range []struct {
		v    *value
		env  string
		to   *string
		need bool
	}{{key, "AWS_ACCESS_KEY_ID", &c.AccessKeyID, true}, {secret, "AWS_SECRET_ACCESS_KEY", &c.SecretAccessKey, true}, {token, "AWS_SESSION_TOKEN", &c.SessionToken, false}} {
		if f.v.str() == "" {
			if f.need {
				return "", "it needs both parts of its access key"
			}
			continue
		}
		if *f.to = b.secret(f.v, f.env); *f.to == "" {
			return "", fmt.Sprintf("a part of its access key names no variable (%s)", f.env)
		}
	}
	p.Credentials = []scaffold.Credential{c}
	return model, ""
}
