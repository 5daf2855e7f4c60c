package openaichat

import (
	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/openai"
)

// What an answer may hold beside its text: sounds, images, sources, Google's signatures.

// sound reads {"id","data","transcript"}.
func (d *Decoder) sound(raw []byte, emit func(*dialect.Event)) {
	ev := dialect.Event{Kind: dialect.AudioDelta}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "id":
			ev.ID = d.Text(c.Skip())
		case "data":
			ev.Data = d.Text(c.Skip())
		case "transcript":
			ev.Text = d.Text(c.Skip())
		default:
			c.Skip()
		}
	}
	if ev.ID != "" || ev.Data != "" || ev.Text != "" {
		d.rest()
		d.Emit(emit, ev)
	}
}

// images reads [{"image_url":{"url"}}], the form in which OpenRouter gives images beside the text.
func (d *Decoder) images(raw []byte, emit func(*dialect.Event)) {
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		if c.Kind() != '{' {
			c.Skip()
			continue
		}
		url := ""
		for c.Enter(); c.More(); {
			if string(c.Key()) != "image_url" || c.Kind() != '{' {
				c.Skip()
				continue
			}
			for c.Enter(); c.More(); {
				if string(c.Key()) == "url" {
					url = d.Text(c.Skip())
				} else {
					c.Skip()
				}
			}
		}
		if url == "" {
			continue
		}
		ev := dialect.Event{Kind: dialect.ImageEvent, URL: url}
		if media, data, ok := openai.DataURL(url); ok {
			ev.MediaType, ev.Data, ev.URL = media, data, ""
		}
		d.rest()
		d.Emit(emit, ev)
	}
}

// annotations reads the sources of an answer: [{"type":"url_citation","url_citation":{"url","title","start_index",
// "end_index"}}].
func (d *Decoder) annotations(raw []byte, emit func(*dialect.Event)) {
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		if c.Kind() != '{' {
			c.Skip()
			continue
		}
		var source []byte
		for c.Enter(); c.More(); {
			if string(c.Key()) == "url_citation" {
				source = c.Skip()
			} else {
				c.Skip()
			}
		}
		if len(source) == 0 || source[0] != '{' {
			continue
		}
		cite := dialect.Citation{Document: -1}
		s := jsonscan.Over(source)
		for s.Enter(); s.More(); {
			switch string(s.Key()) {
			case "url":
				cite.URL = d.Text(s.Skip())
			case "title":
				cite.Title = d.Text(s.Skip())
			case "content":
				cite.Text = d.Text(s.Skip())
			case "start_index":
				if n, ok := s.Int(); ok {
					cite.Start = int(n)
				}
			case "end_index":
				if n, ok := s.Int(); ok {
					cite.End = int(n)
				}
			default:
				s.Skip()
			}
		}
		d.Emit(emit, dialect.Event{Kind: dialect.CitationEvent, Citation: &cite})
	}
}

// thoughtSignature reads {"google":{"thought_signature"}} of a call's extra_content.
func thoughtSignature(extra []byte) string {
	if len(extra) == 0 || extra[0] != '{' {
		return ""
	}
	c := jsonscan.Over(extra)
	for c.Enter(); c.More(); {
		if string(c.Key()) != "google" || c.Kind() != '{' {
			c.Skip()
			continue
		}
		for c.Enter(); c.More(); {
			if string(c.Key()) != "thought_signature" {
				c.Skip()
				continue
			}
			if raw := c.Skip(); len(raw) > 2 && raw[0] == '"' {
				s, _ := jsonscan.Unquote(raw, nil)
				return string(s)
			}
		}
	}
	return ""
}

// appendSignature appends extra_content to a call whose object is open.
func appendSignature(dst []byte, signature string, by dialect.Signer) []byte {
	if signature == "" || by != dialect.SignerGemini {
		return dst
	}
	dst = append(dst, `,"extra_content":{"google":{"thought_signature":`...)
	return append(jsonscan.AppendString(dst, signature), "}}"...)
}

// appendCitation appends an annotation, for sources that have a URL.
func appendCitation(dst []byte, c *dialect.Citation) []byte {
	dst = append(dst, `{"type":"url_citation","url_citation":{"url":`...)
	dst = jsonscan.AppendString(dst, c.URL)
	dst = append(dst, `,"title":`...)
	dst = jsonscan.AppendString(dst, c.Title)
	dst = openai.AppendRange(dst, c.Start, c.End)
	return append(dst, "}}"...)
}

// appendImage appends an element of "images".
func appendImage(dst []byte, ev *dialect.Event) []byte {
	dst = append(dst, `{"type":"image_url","image_url":{"url":`...)
	if ev.URL != "" {
		dst = jsonscan.AppendString(dst, ev.URL)
	} else {
		dst = openai.AppendDataURL(dst, ev.MediaType, ev.Data)
	}
	return append(dst, "}}"...)
}
