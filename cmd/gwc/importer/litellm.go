package importer

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/compiler/scaffold"
)

// served says how a prefix of LiteLLM's model names is called: by which kind of provider, whose server it is, and with which
// variable for its key. own tells that the server is the team's own, so that the file has to name it.
type served struct {
	kind, vendor, env string
	own               bool
}

// prefixes are those that gwc can call.
var prefixes = map[string]served{
	"openai":                 {kind: "openai", env: "OPENAI_API_KEY"},
	"text-completion-openai": {kind: "openai", env: "OPENAI_API_KEY"},
	"custom_openai":          {kind: "openai", env: "OPENAI_API_KEY"},
	"anthropic":              {kind: "anthropic", env: "ANTHROPIC_API_KEY"},
	"azure":                  {kind: "azure-openai", env: "AZURE_API_KEY", own: true},
	"gemini":                 {kind: "gemini", env: "GEMINI_API_KEY"},
	"vertex_ai":              {kind: "vertex"},
	"vertex_ai_beta":         {kind: "vertex"},
	"bedrock":                {kind: "bedrock"},
	"bedrock_converse":       {kind: "bedrock"},
	"mistral":                {kind: "mistral", env: "MISTRAL_API_KEY"},
	"codestral":              {kind: "mistral", env: "CODESTRAL_API_KEY"},
	"cohere":                 {kind: "cohere", env: "COHERE_API_KEY"},
	"cohere_chat":            {kind: "cohere", env: "COHERE_API_KEY"},
	"ollama":                 {kind: "ollama"},
	"ollama_chat":            {kind: "ollama"},
	"baseten":                compatible("baseten", "BASETEN_API_KEY"),
	"cerebras":               compatible("cerebras", "CEREBRAS_API_KEY"),
	"dashscope":              compatible("alibaba", "DASHSCOPE_API_KEY"),
	"deepinfra":              compatible("deepinfra", "DEEPINFRA_API_KEY"),
	"deepseek":               compatible("deepseek", "DEEPSEEK_API_KEY"),
	"featherless_ai":         compatible("featherless", "FEATHERLESS_AI_API_KEY"),
	"fireworks_ai":           compatible("fireworks", "FIREWORKS_AI_API_KEY"),
	"friendliai":             compatible("friendli", "FRIENDLI_TOKEN"),
	"github":                 compatible("github-models", "GITHUB_API_KEY"),
	"groq":                   compatible("groq", "GROQ_API_KEY"),
	"hyperbolic":             compatible("hyperbolic", "HYPERBOLIC_API_KEY"),
	"minimax":                compatible("minimax", "MINIMAX_API_KEY"),
	"moonshot":               compatible("moonshot", "MOONSHOT_API_KEY"),
	"nebius":                 compatible("nebius", "NEBIUS_API_KEY"),
	"novita":                 compatible("novita", "NOVITA_API_KEY"),
	"nvidia_nim":             compatible("nvidia", "NVIDIA_NIM_API_KEY"),
	"openrouter":             compatible("openrouter", "OPENROUTER_API_KEY"),
	"ovhcloud":               compatible("ovhcloud", "OVHCLOUD_API_KEY"),
	"perplexity":             compatible("perplexity", "PERPLEXITYAI_API_KEY"),
	"sambanova":              compatible("sambanova", "SAMBANOVA_API_KEY"),
	"together_ai":            compatible("together", "TOGETHERAI_API_KEY"),
	"vercel_ai_gateway":      compatible("vercel", "VERCEL_AI_GATEWAY_API_KEY"),
	"xai":                    compatible("xai", "XAI_API_KEY"),
	"zai":                    compatible("zai", "ZAI_API_KEY"),
	"hosted_vllm":            {kind: "openai-compatible", vendor: "vllm", env: "HOSTED_VLLM_API_KEY", own: true},
	"lm_studio":              {kind: "openai-compatible", vendor: "lm-studio", env: "LM_STUDIO_API_KEY", own: true},
	"llamafile":              {kind: "openai-compatible", vendor: "llama-cpp", env: "LLAMAFILE_API_KEY", own: true},
	"litellm_proxy":          {kind: "openai-compatible", env: "LITELLM_PROXY_API_KEY", own: true},
	"openai_like":            {kind: "openai-compatible", env: "OPENAI_LIKE_API_KEY", own: true},
}

func compatible(vendor, env string) served {
	return served{kind: "openai-compatible", vendor: vendor, env: env}
}

// modes are the uses of a model that gwc has paths for.
var modes = []string{"chat", "completion", "responses", "embedding", "image_generation", "audio_transcription", "audio_speech", "moderation", "rerank"}

// deployment is an element of model_list on its way into a model.
type deployment struct {
	target scaffold.Target
	total  time.Duration
}

// litellm imports the proxy's config.yaml.
func (b *builder) litellm() {
	groups := map[string][]deployment{} // by model_name
	var order []string
	lines := map[string]*value{}
	for i, m := range b.doc.get("model_list").list() {
		path := fmt.Sprintf("model_list[%d]", i)
		name := m.get("model_name")
		d, ok := b.deployment(m, name, path)
		if !ok {
			continue
		}
		if _, known := groups[name.str()]; !known {
			order = append(order, name.str())
			lines[name.str()] = name
		}
		groups[name.str()] = append(groups[name.str()], d)
	}
	router, settings, general := b.doc.get("router_settings"), b.doc.get("litellm_settings"), b.doc.get("general_settings")

	retries := int64(-1)
	for _, at := range []struct {
		v    *value
		path string
	}{{router, "router_settings"}, {settings, "litellm_settings"}} {
		n := at.v.get("num_retries")
		if k, ok := n.integer(); ok && k >= 0 {
			if retries < 0 {
				retries = k
			} else {
				b.lose(n, at.path+".num_retries", "router_settings say it already")
			}
		} else if n.there() {
			b.lose(n, at.path+".num_retries", "is not a number of retries")
		}
	}
	timeout := seconds(router.get("timeout"))
	if rt := seconds(settings.get("request_timeout")); timeout == 0 {
		timeout = rt
	}
	strategy := router.get("routing_strategy")
	for _, name := range order {
		if len(groups[name]) > 1 {
			v, path := strategy, "router_settings.routing_strategy"
			if !v.there() {
				v, path = lines[name], "model_list"
			}
			b.lose(v, path, "deployments of one model_name are tried in their order, not balanced")
			break
		}
	}
	if strategy.there() && !strategy.used {
		strategy.used = true
	}
	fallbacks := map[string][]string{}
	for _, at := range []struct {
		v    *value
		path string
	}{{router.get("fallbacks"), "router_settings.fallbacks"}, {settings.get("fallbacks"), "litellm_settings.fallbacks"}} {
		for i, entry := range at.v.list() {
			for _, f := range entry.fields {
				f.v.used = true
				for _, to := range f.v.list() {
					switch {
					case f.name == "*":
						b.lose(to, fmt.Sprintf("%s[%d]", at.path, i), "fallbacks of every model have to be written at each model")
					case groups[f.name] == nil || groups[to.str()] == nil:
						b.lose(to, fmt.Sprintf("%s[%d].%s", at.path, i, f.name), "a model of it is not carried over")
					default:
						fallbacks[f.name] = append(fallbacks[f.name], to.str())
					}
				}
			}
		}
	}
	names := map[string]string{}
	for _, name := range order {
		model := scaffold.Model{Name: b.modelName(name, lines[name])}
		if model.Name == "" {
			continue
		}
		names[name] = model.Name
		var all []deployment
		all = append(all, groups[name]...)
		for _, to := range fallbacks[name] {
			all = append(all, groups[to]...)
		}
		longest := timeout
		for _, d := range all {
			if !slices.Contains(model.Targets, d.target) {
				model.Targets = append(model.Targets, d.target)
			}
			longest = max(longest, d.total)
		}
		if retries >= 0 {
			// LiteLLM retries within the model before it falls back; gwc goes through the targets and begins again.
			model.Attempts = int(min(max(retries+int64(len(model.Targets)), 1), 10))
		}
		model.Total = duration(longest, time.Millisecond, 24*time.Hour)
		b.models = append(b.models, model)
	}
	for _, f := range router.get("model_group_alias").fields {
		f.v.used = true
		path := "router_settings.model_group_alias." + f.name
		to := f.v.str()
		if f.v.kind == 'm' {
			to = f.v.get("model").str()
			f.v.get("hidden").used = true
		}
		i := slices.IndexFunc(b.models, func(m scaffold.Model) bool { return m.Name == names[to] && to != "" })
		if i < 0 {
			b.lose(f.v, path, "its model is not carried over")
			continue
		}
		alias := b.models[i]
		if alias.Name = b.modelName(f.name, f.v); alias.Name != "" {
			b.models = append(b.models, alias)
		}
	}
	b.masterKey(general.get("master_key"))
	for _, l := range []struct {
		v       *value
		path    string
		reasons map[string]string
	}{
		{router, "router_settings", map[string]string{
			"allowed_fails": "gwc takes no target out after failures yet", "cooldown_time": "gwc takes no target out after failures yet",
			"redis_host": "counters live in each process", "redis_port": "counters live in each process", "redis_password": "counters live in each process", "redis_url": "counters live in each process",
			"context_window_fallbacks": "fallbacks by the size of the context are not built yet", "enable_pre_call_checks": "capabilities are checked at build",
		}},
		{settings, "litellm_settings", map[string]string{
			"drop_params": "what a target cannot express is refused, never dropped in silence", "cache": "caching is not built yet", "cache_params": "caching is not built yet",
			"success_callback": "every call is in the call log", "failure_callback": "every call is in the call log", "callbacks": "every call is in the call log",
			"context_window_fallbacks": "fallbacks by the size of the context are not built yet", "content_policy_fallbacks": "fallbacks by refusals are not built yet",
			"default_fallbacks": "fallbacks of every model have to be written at each model",
		}},
		{general, "general_settings", map[string]string{
			"database_url": "gwc has no database: what runs is what stands in the repository", "store_model_in_db": "gwc has no database: what runs is what stands in the repository",
			"alerting": "watch the metrics instead", "salt_key": "gwc stores no credentials",
		}},
		{b.doc, "", map[string]string{
			"environment_variables": "set them in the environment of the process", "callback_settings": "every call is in the call log", "guardrails": "guards are not built yet",
			"mcp_servers": "MCP is not built yet", "include": "import the included files one by one",
		}},
	} {
		for _, f := range l.v.fields {
			if reason, known := l.reasons[f.name]; known && !f.v.used {
				path := f.name
				if l.path != "" {
					path = l.path + "." + f.name
				}
				b.lose(f.v, path, "%s", reason)
			}
		}
	}
}

// deployment reads an element of model_list and adds its provider where there is none like it.
func (b *builder) deployment(m, name *value, path string) (d deployment, ok bool) {
	params := m.get("litellm_params")
	info := m.get("model_info")
	for _, f := range info.fields {
		switch f.name {
		case "id", "mode", "base_model", "description":
			f.v.all()
		case "input_cost_per_token", "output_cost_per_token":
			b.lose(f.v, path+".model_info."+f.name, "set the price of the model by hand: gwc writes it per million tokens")
		}
	}
	if mode := info.get("mode"); mode.there() && !slices.Contains(modes, mode.str()) {
		b.lose(m, path, "gwc has no path for its mode")
		return d, false
	}
	model := params.get("model")
	if name.str() == "" || model.str() == "" {
		b.lose(m, path, "it has no model_name or no model")
		return d, false
	}
	if strings.Contains(name.text, "*") || strings.Contains(model.text, "*") {
		b.lose(m, path, "names with \"*\" have no counterpart: each model is named")
		return d, false
	}
	prefix, upstream, found := strings.Cut(model.text, "/")
	v, known := prefixes[prefix]
	if named := params.get("custom_llm_provider"); named.there() { // it says what the prefix would
		if prefix == named.str() {
			prefix = named.text
		} else {
			prefix, upstream, found = named.str(), model.text, true
		}
		v, known = prefixes[prefix]
	}
	switch {
	case !found && strings.HasPrefix(model.text, "claude-"):
		prefix, upstream, v, known = "anthropic", model.text, prefixes["anthropic"], true
	case !found && bareOpenAI.MatchString(model.text):
		prefix, upstream, v, known = "openai", model.text, prefixes["openai"], true
	case !found:
		b.lose(m, path, "its model names no provider")
		return d, false
	}
	if !known {
		b.lose(m, path, "provider %q is not one that gwc calls yet", clean(prefix))
		return d, false
	}
	p := scaffold.Provider{Name: prefix, Kind: v.kind, Vendor: v.vendor}
	base := params.get("api_base")
	if !base.there() {
		base = params.get("base_url")
	}
	if !base.there() && v.kind == "bedrock" {
		base = params.get("aws_bedrock_runtime_endpoint")
	}
	switch {
	case strings.HasPrefix(base.str(), fromEnvironment):
		b.lose(m, path, "its api_base stands in a variable: gwc reads only secrets from there; write the URL and import again")
		return d, false
	case base.there():
		at, wrong := serverURL(base.str())
		if wrong != "" {
			b.lose(m, path, "its api_base %s", wrong)
			return d, false
		}
		p.BaseURL = at
	case v.own:
		b.lose(m, path, "it needs an api_base")
		return d, false
	}
	var why string
	switch v.kind {
	case "azure-openai":
		why = b.azure(&p, params, path, v.env)
	case "vertex":
		why = b.vertex(&p, params, path, upstream)
	case "bedrock":
		upstream, why = b.bedrock(&p, params, path, upstream)
	default:
		why = b.key(&p, params, v)
	}
	if why == "" && !upstreamModel.MatchString(upstream) {
		why = "its model has characters that no name of a model has"
	}
	if why != "" {
		b.lose(m, path, "%s", why)
		return d, false
	}
	d.total = seconds(params.get("timeout"))
	for _, f := range params.fields {
		if reason, lossy := map[string]string{
			"rpm": "limits of targets are not built yet", "tpm": "limits of targets are not built yet", "max_parallel_requests": "limits of targets are not built yet",
			"weight": "targets have no weight yet", "order": "targets are tried in the order of the file", "stream_timeout": "set timeouts: firstByte of the model",
			"temperature": "gwc sends what the caller says", "max_tokens": "gwc sends what the caller says", "max_retries": "retries are those of the model",
			"organization": "not built yet", "drop_params": "what a target cannot express is refused, never dropped in silence",
			"aws_profile_name": "profiles of AWS are not read: the gateway's own environment says who it is", "aws_role_name": "roles are not taken on by gwc: give the gateway the role",
			"aws_session_name": "roles are not taken on by gwc: give the gateway the role", "aws_web_identity_token": "roles are not taken on by gwc: give the gateway the role",
			"azure_ad_token": "tokens run out: name tenant_id, client_id and client_secret", "input_cost_per_token": "set the price of the model by hand: gwc writes it per million tokens",
			"output_cost_per_token": "set the price of the model by hand: gwc writes it per million tokens",
		}[f.name]; lossy && !f.v.used {
			b.lose(f.v, path+".litellm_params."+f.name, "%s", reason)
		}
	}
	d.target = scaffold.Target{Provider: b.provider(p), Model: upstream}
	return d, true
}

var (
	bareOpenAI    = regexp.MustCompile(`^(gpt-|o[0-9]|chatgpt-)`)
	upstreamModel = regexp.MustCompile(`^[!-~]{1,256}$`)
	modelForm     = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._:-]{0,126}[A-Za-z0-9])?$`)
	notModel      = regexp.MustCompile(`[^A-Za-z0-9._:-]+`)
)

// provider returns the name of a provider with these settings, a new one where there is none yet: two accounts or servers
// are two providers.
func (b *builder) provider(want scaffold.Provider) string {
	for _, p := range b.providers {
		same := want
		same.Name = p.Name
		if reflect.DeepEqual(p, same) {
			return p.Name
		}
	}
	want.Name = b.name("provider", want.Name)
	b.providers = append(b.providers, want)
	return want.Name
}

// modelName returns a name for callers to ask for. One that gwc cannot have is changed, and reported; "" where nothing
// is left of it or another model has it.
func (b *builder) modelName(text string, at *value) string {
	name := text
	if !modelForm.MatchString(name) {
		if name = strings.Trim(notModel.ReplaceAllString(text, "-"), "-._:"); len(name) > 120 {
			name = strings.Trim(name[:120], "-._:")
		}
		if name == "" {
			b.lose(at, "model_name", "no name of a model can be made of it")
			return ""
		}
		b.lose(at, "model_name", "callers have to ask for model %q", name)
	}
	// Files are named after models, on file systems that do not tell case.
	if slices.ContainsFunc(b.models, func(m scaffold.Model) bool {
		return strings.EqualFold(scaffold.FileName(m.Name), scaffold.FileName(name))
	}) {
		b.lose(at, "model_name", "another model is named %q", name)
		return ""
	}
	return name
}

// masterKey makes an app of the proxy's only key that stands in the file.
func (b *builder) masterKey(key *value) {
	if len(b.models) == 0 {
		return
	}
	app := scaffold.App{Tenant: b.o.Tenant, Name: "master"}
	for _, m := range b.models {
		app.Models = append(app.Models, m.Name)
	}
	b.addKey(&app, key, "general_settings.master_key")
	b.apps = append(b.apps, app)
}

// clean keeps what may be shown of a text of the file: never so much that a secret could be in it.
func clean(s string) string {
	s = notModel.ReplaceAllString(s, "_")
	if len(s) > 24 {
		s = s[:24] + "…"
	}
	return s
}
