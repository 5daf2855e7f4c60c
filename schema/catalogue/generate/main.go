// Command generate writes the catalogue's files from a file of facts:
//
//	go run ./schema/catalogue/generate models.json [folder]
//
// The file is the one that models.dev publishes, with its commit and licence noted in it. Facts go over and sentences
// do not. Prices are read as they are written, never through floating point; numbers with more decimals than a price
// may have are the noise of somebody's division and are rounded to nine. A price with a part that gwc cannot count (a
// piece whose unit nobody states) is left out whole: half a price would be a wrong one.
//
// A part at 0 whose whole costs something, such as cached input, means "no price of its own" in the source and not
// "for nothing": it is left out, so that it costs what the whole costs.
//
// What the source does not say and the vendors' price lists do is added by [derived] and by additions.txt, which is read
// from here and not from an argument: it is checked in, with the pages that it is from.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/schema/artifact/price"
)

func main() {
	if len(os.Args) < 2 || len(os.Args) > 3 {
		fmt.Fprintln(os.Stderr, "usage: go run ./schema/catalogue/generate models.json [folder]")
		os.Exit(64)
	}
	dir := filepath.Join("schema", "catalogue")
	if len(os.Args) == 3 {
		dir = os.Args[2]
	}
	if err := run(os.Args[1], dir); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(from, dir string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	models, providers, notes, err := generate(b, additionsText)
	if err != nil {
		return err
	}
	for _, n := range notes {
		fmt.Fprintln(os.Stderr, "generate:", n)
	}
	if err := os.WriteFile(filepath.Join(dir, "models.txt"), models, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "providers.txt"), providers, 0o644)
}

// source is the file of facts.
type source struct {
	Commit    string `json:"commit"`
	Licence   string `json:"licence"`
	Prices    string `json:"prices"`
	Source    string `json:"source"`
	Providers map[string]struct {
		API    string           `json:"api"`
		Models map[string]model `json:"models"`
	} `json:"providers"`
}

type model struct {
	Cost  map[string]json.RawMessage `json:"cost"`
	Limit struct {
		Context, Input, Output int64
	} `json:"limit"`
	Modalities struct {
		Input, Output []string
	} `json:"modalities"`
	Reasoning   bool   `json:"reasoning"`
	Tools       bool   `json:"tool_call"`
	Structured  *bool  `json:"structured_output"`
	Status      string `json:"status"`
	LastUpdated string `json:"last_updated"`
}

// hosts are the servers of providers for which the source names none. "*" stands for any part of a host.
var hosts = map[string][]string{
	"amazon-bedrock": {"bedrock-runtime.*.amazonaws.com"},
	"anthropic":      {"api.anthropic.com"},
	"azure":          {"*.openai.azure.com"},
	"cerebras":       {"api.cerebras.ai/v1"},
	"cohere":         {"api.cohere.com", "api.cohere.ai"},
	"deepinfra":      {"api.deepinfra.com/v1/openai"},
	"google":         {"generativelanguage.googleapis.com"},
	"google-vertex":  {"*-aiplatform.googleapis.com", "aiplatform.googleapis.com"},
	"groq":           {"api.groq.com/openai/v1"},
	"mistral":        {"api.mistral.ai/v1"},
	"openai":         {"api.openai.com/v1"},
	"perplexity":     {"api.perplexity.ai"},
	"togetherai":     {"api.together.xyz/v1", "api.together.ai/v1"},
	"v0":             {"api.v0.dev/v1"},
	"venice":         {"api.venice.ai/api/v1"},
	"vercel":         {"ai-gateway.vercel.sh/v1"},
	"xai":            {"api.x.ai/v1"},
}

// costs are the source's names of kinds. Vendors' entries spell the cached kinds in several ways.
var costs = map[string]price.Kind{
	"input": price.Input, "output": price.Output, "reasoning": price.Reasoning,
	"cache_read": price.CacheRead, "cache_input": price.CacheRead, "cached_input": price.CacheRead,
	"cache_write": price.CacheWrite, "cached_write": price.CacheWrite,
	"input_audio": price.InputAudio, "output_audio": price.OutputAudio, "citation": price.Citation,
	"image": price.OutputImage, // tokens of images that are made
}

// generate returns both files. The same facts give the same bytes.
func generate(b []byte, more string) (models, providers []byte, notes []string, err error) {
	var s source
	list, err := additions(more)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, nil, nil, err
	}
	if s.Prices != "USD per million tokens" {
		return nil, nil, nil, fmt.Errorf("the prices are %q, expected \"USD per million tokens\"", s.Prices)
	}
	var lines []string
	date, rounded := "", 0
	for name, p := range s.Providers {
		for id, m := range p.Models {
			if strings.ContainsAny(id, " \t\r\n") {
				notes = append(notes, fmt.Sprintf("%s/%s is left out: its name has white space", name, id))
				continue
			}
			line, left, n, err := m.line(name, id, list)
			if err != nil {
				return nil, nil, nil, fmt.Errorf("%s/%s: %w", name, id, err)
			}
			if left != "" {
				notes = append(notes, fmt.Sprintf("%s/%s has no price: %s", name, id, left))
			}
			rounded += n
			lines = append(lines, line)
			date = max(date, m.LastUpdated)
		}
	}
	for _, a := range list {
		switch provider, id, _ := strings.Cut(a.name, "/"); {
		case a.fields != "":
			if _, has := s.Providers[provider].Models[id]; has {
				return nil, nil, nil, fmt.Errorf("additions.txt:%d: the source has %s by now", a.line, a.name)
			}
			lines = append(lines, a.name+"\t"+a.fields+" also=alone")
		case !a.used:
			return nil, nil, nil, fmt.Errorf("additions.txt:%d: the source has no %s", a.line, a.name)
		}
	}
	// By name, not by line: a tab sorts after no character of a name, but let that be said and not assumed.
	slices.SortFunc(lines, func(a, b string) int {
		x, _, _ := strings.Cut(a, "\t")
		y, _, _ := strings.Cut(b, "\t")
		return strings.Compare(x, y)
	})
	var out bytes.Buffer
	fmt.Fprintf(&out, "! source=%s commit=%s licence=%s date=%s models=%d providers=%d\n", s.Source, s.Commit, s.Licence, date, len(lines), len(s.Providers))
	for _, l := range lines {
		out.WriteString(l)
		out.WriteByte('\n')
	}
	slices.Sort(notes)
	if rounded > 0 {
		notes = append(notes, fmt.Sprintf("%d prices had more than 9 decimals and were rounded", rounded))
	}
	return out.Bytes(), s.servers(), notes, nil
}

// servers lists the providers with the URLs at which they are known. Of two providers at one URL the one with the
// shorter name has it: the other is a plan of it.
func (s *source) servers() []byte {
	names := slices.SortedFunc(maps.Keys(s.Providers), func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	taken := map[string]bool{}
	urls := map[string][]string{}
	for _, n := range names {
		all := hosts[n]
		if u, err := url.Parse(s.Providers[n].API); err == nil && u.Scheme == "https" && !strings.ContainsAny(s.Providers[n].API, "${}") {
			all = append(slices.Clone(all), strings.ToLower(u.Hostname())+strings.TrimRight(u.Path, "/"))
		}
		for _, h := range all {
			if !taken[h] {
				taken[h] = true
				urls[n] = append(urls[n], h)
			}
		}
	}
	var out bytes.Buffer
	slices.Sort(names)
	for _, n := range names {
		slices.Sort(urls[n])
		fmt.Fprintf(&out, "%s\t%s\n", n, strings.Join(urls[n], " "))
	}
	return out.Bytes()
}

// line writes one model. left says why its price is left out; rounded counts the numbers that were rounded.
func (m *model) line(provider, id string, more []*addition) (line, left string, rounded int, err error) {
	var f []string
	add := func(name string, n int64) {
		if n > 0 {
			f = append(f, fmt.Sprintf("%s=%d", name, n))
		}
	}
	add("context", m.Limit.Context)
	if m.Limit.Input != m.Limit.Context {
		add("input", m.Limit.Input)
	}
	add("output", m.Limit.Output)
	for _, set := range []struct {
		name string
		list []string
	}{{"in", m.Modalities.Input}, {"out", m.Modalities.Output}} {
		if len(set.list) > 0 {
			l := slices.Compact(slices.Sorted(slices.Values(set.list)))
			f = append(f, set.name+"="+strings.Join(l, ","))
		}
	}
	var can, cannot []string
	say := func(name string, yes bool) {
		if yes {
			can = append(can, name)
		} else {
			cannot = append(cannot, name)
		}
	}
	say("tools", m.Tools)
	say("reasoning", m.Reasoning)
	if m.Structured != nil {
		say("structuredOutput", *m.Structured)
	}
	for _, set := range []struct {
		name string
		list []string
	}{{"can", can}, {"cannot", cannot}} {
		if len(set.list) > 0 {
			f = append(f, set.name+"="+strings.Join(set.list, ","))
		}
	}
	text, said, left, rounded, err := m.price(provider, id, more)
	if err != nil {
		return "", "", 0, err
	}
	if text != "" {
		f = append(f, "price="+text)
	}
	if said {
		f = append(f, "also=list")
	}
	if m.LastUpdated != "" {
		f = append(f, "date="+m.LastUpdated)
	}
	if m.Status != "" {
		f = append(f, "status="+m.Status)
	}
	return provider + "/" + id + "\t" + strings.Join(f, " "), left, rounded, nil
}

// price writes a price as [rates.text] does. said tells that some of it is from the vendor's list.
func (m *model) price(provider, id string, more []*addition) (text string, said bool, left string, rounded int, err error) {
	tiers := rates{}
	read := func(above int64, cost map[string]json.RawMessage) error {
		rates := map[price.Kind]uint64{}
		for name, raw := range cost {
			switch name {
			case "tiers", "tier", "context_over_200k": // the last repeats what tiers say
				continue
			}
			k, known := costs[name]
			if !known {
				left = fmt.Sprintf("gwc cannot count its part %q", name)
				continue
			}
			femto, exact, err := decimal(string(raw))
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if !exact {
				rounded++
			}
			if old, twice := rates[k]; twice && old != femto {
				return fmt.Errorf("it has two prices of %s", k)
			}
			rates[k] = femto
		}
		for part, whole := range map[price.Kind]price.Kind{price.CacheRead: price.Input, price.CacheWrite: price.Input, price.InputAudio: price.Input,
			price.Reasoning: price.Output, price.OutputAudio: price.Output} {
			if femto, ok := rates[part]; ok && femto == 0 && rates[whole] > 0 {
				delete(rates, part)
			}
		}
		derived(provider, id, rates)
		if old, twice := tiers[tier{above: above}]; twice && !maps.Equal(old, rates) {
			return fmt.Errorf("it has two tiers above %d tokens that differ", above)
		}
		if len(rates) > 0 {
			tiers[tier{above: above}] = rates
		}
		return nil
	}
	if err := read(0, m.Cost); err != nil {
		return "", false, "", 0, err
	}
	if raw, ok := m.Cost["tiers"]; ok {
		var list []map[string]json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return "", false, "", 0, err
		}
		for _, t := range list {
			var by struct {
				Size int64
				Type string
			}
			if err := json.Unmarshal(t["tier"], &by); err != nil {
				return "", false, "", 0, err
			}
			if by.Type != "" && by.Type != "context" || by.Size <= 0 {
				left = fmt.Sprintf("gwc cannot count its tier by %q", by.Type)
				continue
			}
			if err := read(by.Size, t); err != nil {
				return "", false, "", 0, err
			}
		}
	}
	if left != "" {
		tiers = rates{} // unless the additions say all of it
	}
	if said, err = tiers.apply(provider+"/"+id, more); err != nil {
		return "", false, "", 0, err
	}
	if len(tiers) > 0 {
		left = ""
	}
	return tiers.text(), said, left, rounded, nil
}

// derived adds prices that the source does not have. Anthropic writes a cache for an hour at twice the price of input
// where five minutes cost one and a quarter, also through the clouds that resell it.
func derived(provider, id string, rates map[price.Kind]uint64) {
	switch provider {
	case "anthropic", "amazon-bedrock", "google-vertex-anthropic":
	default:
		return
	}
	in, ok := rates[price.Input]
	write, has := rates[price.CacheWrite]
	if ok && has && strings.Contains(id, "claude") && write*4 == in*5 {
		rates[price.CacheWrite1h] = 2 * in
	}
}

// decimal reads a number of JSON as femto-USD per token, rounded half to even at nine decimals of USD per million.
func decimal(text string) (femto uint64, exact bool, err error) {
	r, ok := new(big.Rat).SetString(text)
	if !ok || r.Sign() < 0 {
		return 0, false, fmt.Errorf("%s is no price", text)
	}
	r.Mul(r, big.NewRat(1_000_000_000, 1))
	exact = r.IsInt()
	two := big.NewInt(2)
	num := new(big.Int).Add(new(big.Int).Mul(r.Num(), two), r.Denom())
	q, rest := new(big.Int).DivMod(num, new(big.Int).Mul(r.Denom(), two), new(big.Int))
	if rest.Sign() == 0 && !exact && q.Bit(0) == 1 {
		q.Sub(q, big.NewInt(1))
	}
	if !q.IsUint64() {
		return 0, false, fmt.Errorf("%s is no price", text)
	}
	return q.Uint64(), exact, nil
}
