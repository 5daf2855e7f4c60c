package catalogue

import (
	"net/url"
	"strings"

	"github.com/gwc-dev/gwc/schema/diag"
)

// Match says by which rule [Lookup] found an entry.
type Match string

// The rules, in the order in which they are tried. Names are compared as they are: no case is folded, and no name is
// cut but by these rules.
const (
	// Exact: the catalogue has the name.
	Exact Match = "exact"
	// Prefixed: it has the name without what the provider's own paths put before it: "models/" of Gemini,
	// "publishers/google/models/" of Vertex AI, the region of Bedrock's profiles ("eu.", "us.", "global.", …).
	Prefixed Match = "prefix"
	// Dated: the name ends with the day of a release ("-20250929", "-2025-08-07", "@20250929"), and the catalogue has
	// it without the day.
	Dated Match = "dated"
	// Latest: the name ends with "-latest", and the catalogue has it without that, or else with days: then the newest.
	Latest Match = "latest"
)

// Lookup returns the entry for a provider's name of a model.
func Lookup(provider, model string) (Entry, Match, bool) {
	for _, p := range append([]string{provider}, also[provider]...) {
		if e, ok := Get(p, model); ok {
			return e, Exact, true
		}
		if short, ok := unprefixed(p, model); ok {
			if e, m, ok := Lookup(p, short); ok {
				if m == Exact {
					m = Prefixed
				}
				return e, m, true
			}
		}
		if short, ok := undated(model); ok {
			if e, ok := Get(p, short); ok {
				return e, Dated, true
			}
		}
		if short, ok := strings.CutSuffix(model, "-latest"); ok {
			if e, ok := Get(p, short); ok {
				return e, Latest, true
			}
			newest := ""
			for _, n := range Names(p) {
				if base, ok := undated(n); ok && base == short && n > newest {
					newest = n
				}
			}
			if e, ok := Get(p, newest); ok {
				return e, Latest, true
			}
		}
	}
	return Entry{}, "", false
}

// also are catalogue providers where the models of another one are found too.
var also = map[string][]string{"google-vertex": {"google-vertex-anthropic"}, "azure": {"azure-cognitive-services"}}

// undated takes the day of a release from the end of a name.
func undated(model string) (string, bool) {
	for _, form := range []string{"-dddd-dd-dd", "-dddddddd", "@dddddddd"} {
		at := len(model) - len(form)
		if at <= 0 {
			continue
		}
		fits := true
		for i := range len(form) {
			c := model[at+i]
			if form[i] == 'd' && (c < '0' || c > '9') || form[i] != 'd' && c != form[i] {
				fits = false
				break
			}
		}
		if fits {
			return model[:at], true
		}
	}
	return "", false
}

// unprefixed takes what a provider's paths put before a name.
func unprefixed(provider, model string) (string, bool) {
	prefixes := map[string][]string{
		"google":         {"models/"},
		"google-vertex":  {"publishers/google/models/", "publishers/anthropic/models/", "google/"},
		"amazon-bedrock": {"us.", "eu.", "apac.", "global.", "jp.", "au.", "ca.", "us-gov."},
	}
	for _, p := range prefixes[provider] {
		if short, ok := strings.CutPrefix(model, p); ok {
			return short, true
		}
	}
	return "", false
}

// Aliases returns the other names of an entry: those that differ from it only by the day of a release and say the
// same in everything but their own day.
func Aliases(e *Entry) []string {
	base := e.Model
	if short, ok := undated(base); ok {
		base = short
	}
	var l []string
	for o := range Of(e.Provider) {
		short, dated := undated(o.Model)
		if o.Model == e.Model || o.Model != base && (!dated || short != base) {
			continue
		}
		if o.Context == e.Context && o.Output == e.Output && o.Can == e.Can && o.Cannot == e.Cannot &&
			(o.Price == nil && e.Price == nil || o.Price != nil && e.Price != nil && o.Price.Version == e.Price.Version) {
			l = append(l, o.Model)
		}
	}
	return l
}

// kinds are the catalogue's names of what the kinds of providers speak to by default.
var kinds = map[string]string{"openai": "openai", "anthropic": "anthropic", "gemini": "google", "vertex": "google-vertex", "bedrock": "amazon-bedrock",
	"azure-openai": "azure", "mistral": "mistral", "cohere": "cohere"}

// Provider returns the catalogue's name of the provider that a kind and a base URL lead to, or "" for a server that
// it does not know. The URL decides, since many servers speak OpenAI's dialect; the kind does where there is none.
//
// A known URL equals the given one, or is the given one with "/v1", or begins it (the longest counts), or is the only
// one on its host. The scheme counts for nothing, case only in the path.
func Provider(kind, baseURL string) string {
	if baseURL == "" {
		return kinds[kind]
	}
	u, err := url.Parse(baseURL)
	if err != nil || u.Host == "" {
		return ""
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	base := host + strings.TrimRight(u.Path, "/")
	best, length := "", 0
	onHost, several := "", false
	for line := range strings.Lines(providers) {
		name, urls, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		for known := range strings.SplitSeq(urls, " ") {
			if known == "" {
				continue
			}
			knownHost, _, _ := strings.Cut(known, "/")
			if before, after, ok := strings.Cut(knownHost, "*"); ok {
				if len(host) > len(before)+len(after) && strings.HasPrefix(host, before) && strings.HasSuffix(host, after) {
					return name
				}
				continue
			}
			if knownHost != host {
				continue
			}
			if known == base || known == base+"/v1" {
				return name
			}
			if strings.HasPrefix(base, known+"/") && len(known) > length {
				best, length = name, len(known)
			}
			several = several || onHost != "" && onHost != name
			onHost = name
		}
	}
	if best == "" && !several {
		best = onHost
	}
	return best
}

// Providers returns the names of all providers, sorted.
func Providers() []string {
	var l []string
	for line := range strings.Lines(providers) {
		name, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		l = append(l, name)
	}
	return l
}

// HasProvider reports whether the catalogue has a provider of this name.
func HasProvider(name string) bool {
	return name != "" && (strings.HasPrefix(providers, name+"\t") || strings.Contains(providers, "\n"+name+"\t"))
}

// Nearest returns the name of the provider's model that one was most likely meant to be.
func Nearest(provider, model string) (string, bool) {
	return diag.Nearest(model, Names(provider))
}
