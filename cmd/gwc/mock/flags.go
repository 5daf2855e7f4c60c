package mock

import (
	"flag"
	"fmt"
	"strings"
	"time"
)

// Flags returns the flags of `gwc mock`, bound to o, whose values at the time of the call are the defaults.
func Flags(o *Options) *flag.FlagSet {
	if o.Listen == "" {
		o.Listen = DefaultListen
	}
	fs := flag.NewFlagSet("mock", flag.ContinueOnError)
	for _, f := range []struct {
		name, usage string
		value       flag.Value
	}{
		{"listen", "`ADDR` to listen on", (*text)(&o.Listen)},
		{"provider", "`KIND` to stand in for: openai, anthropic, gemini, openai-compatible, azure-openai, cohere, ollama, bedrock or http; all of them, by path, when not given", (*text)(&o.Provider)},
		{"latency", "`D` to wait before each answer", (*duration)(&o.Latency)},
		{"chunks", "`N` text events in each streamed answer (0: as many as the text has)", (*count)(&o.Chunks)},
		{"chunk-gap", "`D` to wait between two events of a stream", (*duration)(&o.ChunkGap)},
		{"fault", "`KIND[:first N|:every N|:after N]` of fault, repeatable: a status from 400 to 599, " + strings.Join(faultNames(), ", "), (*faultList)(&o.Faults)},
		{"key", "`KEY` that callers must present (any, when not given)", (*text)(&o.Key)},
		{"models", "comma-separated `NAMES` of the models that exist (any, when not given)", (*names)(&o.Models)},
	} {
		fs.Var(f.value, f.name, f.usage)
	}
	return fs
}

type text string

func (t *text) String() string     { return string(*t) }
func (t *text) Set(s string) error { *t = text(s); return nil }
func (t *text) Type() string       { return "string" }

type duration time.Duration

func (d *duration) String() string { return time.Duration(*d).String() }
func (d *duration) Type() string   { return "duration" }
func (d *duration) Set(s string) error {
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a duration such as 50ms", s)
	}
	*d = duration(v)
	return nil
}

type count int

func (c *count) String() string { return fmt.Sprint(int(*c)) }
func (c *count) Type() string   { return "int" }
func (c *count) Set(s string) error {
	var v int
	if _, err := fmt.Sscanf(s+"\n", "%d\n", &v); err != nil || v < 0 {
		return fmt.Errorf("%q is not a count", s)
	}
	*c = count(v)
	return nil
}

type names []string

func (n *names) String() string { return strings.Join(*n, ",") }
func (n *names) Type() string   { return "strings" }
func (n *names) Set(s string) error {
	*n = nil
	for name := range strings.SplitSeq(s, ",") {
		if name = strings.TrimSpace(name); name != "" {
			*n = append(*n, name)
		}
	}
	return nil
}

type faultList []Fault

func (l *faultList) String() string {
	var s []string
	for _, f := range *l {
		s = append(s, f.String())
	}
	return strings.Join(s, ",")
}
func (l *faultList) Type() string { return "fault" }
func (l *faultList) Set(s string) error {
	f, err := ParseFault(s)
	if err != nil {
		return err
	}
	*l = append(*l, f)
	return nil
}
