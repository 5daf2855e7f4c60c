package recorded

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"gopkg.in/yaml.v3"
)

// body is a body of a cassette in any of the forms that are met: text; base64 by tag (!!binary of Python, !binary of Ruby
// and Go); an object with string or base64_string.
type body string

// UnmarshalYAML undoes the form.
func (b *body) UnmarshalYAML(n *yaml.Node) error {
	switch {
	case n.Kind == yaml.MappingNode:
		var o struct {
			String body
			Base64 string `yaml:"base64_string"`
		}
		if err := n.Decode(&o); err != nil {
			return err
		}
		if *b = o.String; o.Base64 != "" {
			raw, err := unbase64(o.Base64)
			*b = body(raw)
			return err
		}
	case n.Tag == "!!binary" || n.Tag == "!binary":
		raw, err := unbase64(n.Value)
		*b = body(raw)
		return err
	case n.Tag != "!!null":
		*b = body(n.Value)
	}
	return nil
}

func unbase64(s string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
}

// headers are a cassette's, as a list or a text each.
type headers http.Header

// UnmarshalYAML reads them.
func (h *headers) UnmarshalYAML(n *yaml.Node) error {
	*h = headers{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := http.CanonicalHeaderKey(n.Content[i].Value)
		values := n.Content[i+1].Content
		if n.Content[i+1].Kind == yaml.ScalarNode {
			values = n.Content[i+1 : i+2]
		}
		for _, v := range values {
			var value body
			if err := value.UnmarshalYAML(v); err != nil {
				return err
			}
			(*h)[name] = append((*h)[name], string(value))
		}
	}
	return nil
}

// status is a number, or an object with the number as code.
type status int

// UnmarshalYAML reads it. A text ("200 OK") is no status: its cassette has the number beside it.
func (s *status) UnmarshalYAML(n *yaml.Node) error {
	var code int
	if n.Kind == yaml.MappingNode {
		var o struct{ Code int }
		if err := n.Decode(&o); err != nil {
			return err
		}
		code = o.Code
	}
	*s = status(code)
	return nil
}

type interaction struct {
	Request struct {
		Method   string
		URI, URL string
		Body     body
		Headers  headers
	}
	Response struct {
		Status  status
		Code    int
		Headers headers
		Body    body
	}
}

func readCassette(path string, f *file) ([]*Exchange, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Interactions []interaction
		Ruby         []interaction `yaml:"http_interactions"`
	}
	var tree yaml.Node
	err = yaml.Unmarshal(raw, &tree)
	if err == nil {
		once(&tree)
		err = tree.Decode(&doc)
	}
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w", f.corpus, f.name, err)
	}
	var all []*Exchange
	for n, i := range append(doc.Interactions, doc.Ruby...) {
		u, err := url.Parse(i.Request.URI + i.Request.URL)
		if err != nil {
			return nil, fmt.Errorf("%s/%s: %w", f.corpus, f.name, err)
		}
		x := &Exchange{
			Name: fmt.Sprintf("%s#%d", f.name, n), Corpus: f.corpus, Provider: provider(u.Hostname()), Host: u.Host, Path: u.Path, Query: u.RawQuery, Method: strings.ToUpper(i.Request.Method),
			RequestHeader: http.Header(i.Request.Headers), Header: http.Header(i.Response.Headers), Status: int(i.Response.Status) + i.Response.Code,
			Request: plain(string(i.Request.Body)), Answer: plain(string(i.Response.Body)),
		}
		x.MediaType, _, _ = strings.Cut(x.Header.Get("Content-Type"), ";")
		x.MediaType = strings.ToLower(strings.TrimSpace(x.MediaType))
		if x.Method == http.MethodPost || x.Method == http.MethodGet && strings.HasSuffix(x.Path, "/models") {
			x.Dialect, x.Operation = classify(u)
		}
		if x.Dialect == Messages && strings.HasPrefix(x.Host, "bedrock-runtime.") && !strings.Contains(x.Request, `"messages"`) {
			x.Dialect = BedrockInvoke // texts of the time before Messages
		}
		x.Stream = framing(x)
		x.Excluded = unusable(x)
		all = append(all, x)
	}
	return all, nil
}

// once drops repeated keys, which a recorder wrote and the reader of YAML refuses: the last one stays.
func once(n *yaml.Node) {
	if n.Kind == yaml.MappingNode {
		at := map[string]int{}
		var content []*yaml.Node
		for i := 0; i+1 < len(n.Content); i += 2 {
			if k, again := at[n.Content[i].Value]; again {
				content[k+1] = n.Content[i+1]
				continue
			}
			at[n.Content[i].Value] = len(content)
			content = append(content, n.Content[i], n.Content[i+1])
		}
		n.Content = content
	}
	for _, c := range n.Content {
		once(c)
	}
}

// plain undoes gzip, which some recorders leave in place whatever the header says.
func plain(s string) string {
	if !strings.HasPrefix(s, "\x1f\x8b") {
		return s
	}
	z, err := gzip.NewReader(strings.NewReader(s))
	if err != nil {
		return s
	}
	var out bytes.Buffer
	if _, err := io.Copy(&out, z); err != nil {
		return s
	}
	return out.String()
}
