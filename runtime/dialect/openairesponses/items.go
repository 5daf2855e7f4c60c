package openairesponses

import (
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/openai"
)

// holder says what a content part stands in, and so which kinds may stand there.
type holder uint8

const (
	inSystem    holder = iota // input_text
	inUser                    // input_text, input_image, input_file
	inAssistant               // output_text, refusal
	inResult                  // as inUser, with places for errors below "output"
)

// input reads the conversation: a string, which is one turn of the user, or a list of items.
//
// What the assistant did in one turn stands in several items (thinking, messages, calls); they become one message, since
// that is what the results of its calls have to follow in every other dialect.
func (d *decoder) input(raw []byte) {
	switch {
	case isNull(raw):
		return
	case raw[0] == '"':
		d.r.Messages = []dialect.Message{{Parts: []dialect.Part{{Kind: dialect.Text, Text: d.Text("input", raw), At: -1}}}}
		return
	case raw[0] != '[':
		d.WrongType("input", raw, "a string or an array of input items")
		return
	}
	for ok := d.ArrayIn("input", raw); ok && d.More(); {
		d.item()
	}
	if len(d.r.Messages) == 0 && d.Fault() == nil && len(d.r.Unsupported) == 0 {
		d.FailIn("input", "empty_array", "Invalid '$': the conversation holds no message. Expected at least one that is no instruction.")
	}
}

// item reads one item of the input.
func (d *decoder) item() {
	at := d.Index()
	var (
		kind, role, id, callID, name, arguments string
		sealed                                  string
		content, output, summary                []byte
		hasArguments                            bool
	)
	if d.Kind() != '{' {
		d.WrongTypeHere("an object")
	}
	for ok := d.Object(); ok && d.More(); {
		switch string(d.Key()) {
		case "type":
			d.Word(&kind, "message", "function_call", "function_call_output", "reasoning", "item_reference")
		case "role":
			d.Enum(&role, "user", "assistant", "system", "developer")
		case "id":
			d.String(&id)
		case "content":
			content = d.RawOrNull()
		case "call_id":
			d.String(&callID)
		case "name":
			d.String(&name)
		case "arguments":
			// Of other items, this may be anything.
			hasArguments = d.Kind() == '"'
			if hasArguments {
				d.String(&arguments)
			} else {
				d.Skip()
			}
		case "output":
			output = d.RawOrNull()
		case "summary":
			summary = d.Raw()
		case "encrypted_content":
			d.String(&sealed)
		default:
			d.Skip()
		}
	}
	switch kind {
	case "", "message":
		switch {
		case role != "":
			d.message(at, role, content)
		case kind == "" && id != "":
			d.unsupported("item_reference")
		case kind == "":
			d.Missing("type")
		default:
			d.Missing("role")
		}
	case "function_call":
		switch {
		case callID == "":
			d.Missing("call_id")
		case name == "":
			d.Missing("name")
		case !hasArguments:
			d.Missing("arguments")
		}
		m := d.assistant(at)
		m.Parts = append(m.Parts, dialect.Part{Kind: dialect.ToolCall, At: at, ID: callID, Name: name, Arguments: arguments})
	case "function_call_output":
		d.result(at, callID, name, output)
	case "reasoning":
		d.thinking(at, id, sealed, summary, content)
	case "item_reference":
		d.unsupported("item_reference")
	case "custom_tool_call", "custom_tool_call_output":
		d.unsupported("custom")
	default:
		d.unsupported("server_tools")
	}
}

// assistant is the message of the assistant's turn that an item belongs to.
func (d *decoder) assistant(at int) *dialect.Message {
	if n := len(d.r.Messages); n > 0 && d.r.Messages[n-1].Role == dialect.Assistant {
		return &d.r.Messages[n-1]
	}
	d.r.Messages = append(d.r.Messages, dialect.Message{Role: dialect.Assistant, At: at})
	return &d.r.Messages[len(d.r.Messages)-1]
}

func (d *decoder) message(at int, role string, content []byte) {
	switch role {
	case "system", "developer":
		d.r.System = d.content("content", content, inSystem, d.r.System)
	case "user":
		d.r.Messages = append(d.r.Messages, dialect.Message{At: at, Parts: d.content("content", content, inUser, nil)})
	default:
		m := d.assistant(at)
		m.Parts = d.content("content", content, inAssistant, m.Parts)
	}
}

// result reads what a function gave: a string, or a list of texts, images and files.
func (d *decoder) result(at int, callID, name string, output []byte) {
	switch {
	case callID == "":
		d.Missing("call_id")
	case isNull(output):
		d.Missing("output")
	}
	p := dialect.Part{Kind: dialect.ToolResult, At: at, ID: callID, Name: name}
	switch {
	case len(output) > 0 && output[0] != '"' && output[0] != '[':
		d.WrongType("output", output, "a string or an array of objects")
	case string(output) == "[]":
	default:
		p.Content = d.content("output", output, inResult, nil)
	}
	d.r.Messages = append(d.r.Messages, dialect.Message{Role: dialect.Tool, At: at, Parts: []dialect.Part{p}})
}

// thinking reads a reasoning item. Without encrypted_content nobody can take it back as his own.
func (d *decoder) thinking(at int, id, sealed string, summary, content []byte) {
	if sealed == "" {
		d.unsupported("reasoning_item")
		return
	}
	p := dialect.Part{Kind: dialect.Thinking, At: at, ID: id}
	p.SignedBy, p.Signature = dialect.Unseal(dialect.SignerOpenAI, sealed)
	if p.SignedBy == dialect.SignerOpenAI && p.Signature == sealed {
		p.Signature = id + ":" + sealed
	}
	if p.SignedBy == nobody {
		p.SignedBy = dialect.SignerUnknown
	}
	if data, ok := strings.CutPrefix(p.Signature, redacted); ok {
		p.Kind, p.Signature, p.Data = dialect.RedactedThinking, "", data
	} else if p.Text = d.texts("summary", summary); p.Text == "" {
		p.Text = d.texts("content", content)
	}
	m := d.assistant(at)
	m.Parts = append(m.Parts, p)
}

// redacted begins what is sealed of a block of thinking that has no text.
const redacted = "redacted:"

// texts joins the texts of a list of parts.
func (d *decoder) texts(name string, raw []byte) string {
	var all string
	for ok := d.ArrayIn(name, raw); ok && d.More(); {
		var text string
		if d.Kind() != '{' {
			d.WrongTypeHere("an object")
		}
		for ok := d.Object(); ok && d.More(); {
			if string(d.Key()) == "text" {
				d.String(&text)
			} else {
				d.Skip()
			}
		}
		all = joined(all, text)
	}
	return all
}

// joined puts the parts of a summary together. One text has to stand for all of them in other dialects.
func joined(before, text string) string {
	if before == "" {
		return text
	}
	return before + between + text
}

// between separates the parts of a summary.
const between = "\n\n"

// content reads a message's content, a string or a list of parts, and appends it to parts.
func (d *decoder) content(name string, raw []byte, where holder, parts []dialect.Part) []dialect.Part {
	switch {
	case isNull(raw):
		d.Missing(name)
		return parts
	case raw[0] == '"':
		return append(parts, dialect.Part{Kind: dialect.Text, Text: d.Text(name, raw), At: -1})
	case raw[0] != '[':
		d.WrongType(name, raw, "a string or an array of objects")
		return parts
	}
	n := 0
	for ok := d.ArrayIn(name, raw); ok && d.More(); {
		n++
		if p, ok := d.part(where); ok {
			parts = append(parts, p)
		}
	}
	if n == 0 && where != inAssistant {
		d.FailIn(name, "empty_array", "Invalid '$': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	}
	return parts
}

// part reads one part. ok is false for a part that the neutral model has no place for; it was noted then.
func (d *decoder) part(where holder) (p dialect.Part, ok bool) {
	p.At = d.Index()
	var kind, text, refusal, image, data, url, file string
	var hasText, hasRefusal bool
	if d.Kind() != '{' {
		d.WrongTypeHere("an object")
	}
	for ok := d.Object(); ok && d.More(); {
		switch string(d.Key()) {
		case "type":
			d.Word(&kind, "input_text", "input_image", "input_file", "output_text", "refusal", "input_audio")
		case "text":
			hasText = d.Kind() == '"'
			d.String(&text)
		case "refusal":
			hasRefusal = d.Kind() == '"'
			d.String(&refusal)
		case "image_url":
			d.String(&image)
		case "detail":
			d.Word(&p.Detail, "auto", "low", "high")
		case "file_data":
			d.String(&data)
		case "file_url":
			d.String(&url)
		case "file_id":
			d.String(&file)
		case "filename":
			d.String(&p.Name)
		case "prompt_cache_breakpoint":
			if raw := d.Raw(); raw != nil {
				p.Cache = dialect.Cache5m
			}
		default:
			d.Skip()
		}
	}
	user := where == inUser || where == inResult
	switch {
	case kind == "":
		d.Missing("type")
	case kind == "input_text" && where != inAssistant, kind == "output_text" && where == inAssistant:
		if !hasText {
			d.Missing("text")
		}
		p.Kind, p.Text = dialect.Text, text
		return p, true
	case kind == "refusal" && where == inAssistant:
		if !hasRefusal {
			d.Missing("refusal")
		}
		p.Kind, p.Text = dialect.Refusal, refusal
		return p, true
	case kind == "input_image" && user:
		p.Kind, p.Name = dialect.Image, ""
		if image == "" && file != "" {
			d.unsupported("file")
			return p, false
		}
		d.image(&p, image)
		return p, true
	case kind == "input_file" && user:
		return p, d.file(&p, data, url)
	case kind == "input_audio" && user:
		d.unsupported("input_audio")
		return p, false
	}
	switch where {
	case inSystem:
		d.WrongValueIn("type", kind, "input_text")
	case inAssistant:
		d.WrongValueIn("type", kind, "output_text", "refusal")
	default:
		d.WrongValueIn("type", kind, "input_text", "input_image", "input_file")
	}
	return p, false
}

// image takes a URL; a data: URL is taken apart.
func (d *decoder) image(p *dialect.Part, url string) {
	switch {
	case url == "":
		d.Missing("image_url")
	case !openai.IsDataURL(url):
		p.URL = url
	default:
		var ok bool
		if p.MediaType, p.Data, ok = openai.DataURL(url); !ok {
			d.FailIn("image_url", "invalid_image_url", "Invalid '$': expected a URL or a data URL of the form data:image/…;base64,….")
		}
	}
}

// file takes a PDF's data. Only that has a place in the neutral model; a file that was uploaded to a provider is known to
// that provider alone.
func (d *decoder) file(p *dialect.Part, data, url string) (ok bool) {
	p.Kind, p.Detail = dialect.Document, ""
	if url != "" && data == "" {
		p.URL = url
		return true
	}
	p.MediaType, p.Data, ok = openai.DataURL(data)
	if !ok && data != "" && strings.HasPrefix(data, "JVBERi0") { // "%PDF-": bare base64 is taken as well
		p.MediaType, p.Data, ok = "application/pdf", data, true
	}
	if !ok || p.MediaType != "application/pdf" {
		d.unsupported("file")
		return false
	}
	return true
}
