package importer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/compiler/scaffold"
)

// vendor says how a prefix of LiteLLM's model names is called: by which kind of provider, at which server where the file
// names none, and with which variable for its key.
type vendor struct{ kind, baseURL, env string }

// vendors are those that gwc can call. Servers that speak OpenAI's API are providers of that kind.
var vendors = map[string]vendor{
	"openai":                 {"openai", "", "OPENAI_API_KEY"},
	"text-completion-openai": {"openai", "", "OPENAI_API_KEY"},
	"custom_openai":          {"openai", "", "OPENAI_API_KEY"},
	"anthropic":              {"anthropic", "", "ANTHROPIC_API_KEY"},
	"groq":                   {"openai", "https://api.groq.com/openai/v1", "GROQ_API_KEY"},
	"deepseek":               {"openai", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"},
	"mistral":                {"openai", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"},
	"xai":                    {"openai", "https://api.x.ai/v1", "XAI_API_KEY"},
	"openrouter":             {"openai", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"},
	"together_ai":            {"openai", "https://api.together.xyz/v1", "TOGETHERAI_API_KEY"},
	"fireworks_ai":           {"openai", "https://api.fireworks.ai/inference/v1", "FIREWORKS_AI_API_KEY"},
	"perplexity":             {"openai", "https://api.perplexity.ai", "PERPLEXITYAI_API_KEY"},
	"hosted_vllm":            {"openai", "required", "HOSTED_VLLM_API_KEY"},
	"lm_studio":              {"openai", "required", "LM_STUDIO_API_KEY"},
	"litellm_proxy":          {"openai", "required", "LITELLM_PROXY_API_KEY"},
}

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
	if mode := info.get("mode"); mode.there() && !mode.is("chat") {
		b.lose(m, path, "its mode is not chat")
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
	v, known := vendors[prefix]
	switch {
	case !found && strings.HasPrefix(model.text, "claude-"):
		prefix, upstream, v, known = "anthropic", model.text, vendors["anthropic"], true
	case !found && bareOpenAI.MatchString(model.text):
		prefix, upstream, v, known = "openai", model.text, vendors["openai"], true
	case !found:
		b.lose(m, path, "its model names no provider")
		return d, false
	}
	if !known {
		b.lose(m, path, "provider %q is not one that gwc calls yet", clean(prefix))
		return d, false
	}
	if !upstreamModel.MatchString(upstream) {
		b.lose(m, path, "its model has characters that no name of a model has")
		return d, false
	}
	p := scaffold.Provider{Name: prefix, Kind: v.kind, BaseURL: v.baseURL}
	base := params.get("api_base")
	if !base.there() {
		base = params.get("base_url")
	}
	switch {
	case strings.HasPrefix(base.str(), "os.environ/"):
		b.lose(m, path, "its api_base stands in a variable: gwc reads only secrets from there; write the URL and import again")
		return d, false
	case base.there():
		at, wrong := serverURL(base.str())
		if wrong != "" {
			b.lose(m, path, "its api_base %s", wrong)
			return d, false
		}
		p.BaseURL = at
	case p.BaseURL == "required":
		b.lose(m, path, "it needs an api_base")
		return d, false
	}
	key := params.get("api_key")
	switch variable, fromEnv := strings.CutPrefix(key.str(), "os.environ/"); {
	case fromEnv:
		ref, valid := b.refer(variable)
		if !valid {
			b.lose(m, path, "its api_key names no variable")
			return d, false
		}
		p.Credentials = []string{ref}
	case key.str() != "":
		p.Credentials = []string{b.variable(key, v.env)}
	case v.baseURL != "required":
		ref, _ := b.refer(v.env) // LiteLLM looks there
		p.Credentials = []string{ref}
	}
	d.total = seconds(params.get("timeout"))
	for _, f := range params.fields {
		if reason, lossy := map[string]string{
			"rpm": "limits of targets are not built yet", "tpm": "limits of targets are not built yet", "max_parallel_requests": "limits of targets are not built yet",
			"weight": "targets have no weight yet", "order": "targets are tried in the order of the file", "stream_timeout": "set timeouts: firstByte of the model",
			"temperature": "gwc sends what the caller says", "max_tokens": "gwc sends what the caller says", "max_retries": "retries are those of the model",
			"organization": "not built yet", "input_cost_per_token": "set the price of the model by hand: gwc writes it per million tokens",
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

// provider returns the name of a provider with these settings, a new one where there is none yet.
func (b *builder) provider(want scaffold.Provider) string {
	for _, p := range b.providers {
		if p.Kind == want.Kind && p.BaseURL == want.BaseURL && slices.Equal(p.Credentials, want.Credentials) {
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
