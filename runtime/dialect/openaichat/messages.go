package openaichat

import (
	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/openai"
)

const emptyArray = "Invalid '$': empty array. Expected an array with minimum length 1, but got an empty array instead."

// messages reads the list where the reader stands.
func (d *decoder) messages() {
	if d.Kind() != '[' {
		d.WrongTypeHere("an array of objects")
	}
	n := 0
	for ok := d.Array(); ok && d.More(); {
		n++
		d.message()
	}
	if n == 0 {
		d.Fail("empty_array", emptyArray)
	}
}

// holder says what a content part stands in, and so which kinds may stand there.
type holder uint8

const (
	inSystem    holder = iota // text
	inUser                    // text, images, files
	inAssistant               // text, refusals
)

func (d *decoder) message() {
	// The members come in any order, and what they mean depends on the role.
	m := dialect.Message{At: d.Index()}
	var (
		role, callID, refusal            string
		content, calls, reasoning, block []byte
		isError                          *bool
		mark                             dialect.Cache
	)
	if d.Kind() != '{' {
		d.WrongTypeHere("an object")
	}
	for ok := d.Object(); ok && d.More(); {
		key := d.Key()
		switch string(key) {
		case "role":
			d.Enum(&role, "system", "developer", "user", "assistant", "tool", "function")
		case "content":
			content = d.RawOrNull()
		case "name":
			d.String(&m.Name)
		case "tool_calls":
			calls = d.Raw()
		case "tool_call_id":
			d.String(&callID)
		case "refusal":
			d.String(&refusal)
		case "reasoning_content":
			reasoning = d.Raw()
		case "thinking_blocks":
			block = d.Raw()
		case "cache_control":
			mark = d.cache()
		case "is_error":
			d.Bool(&isError)
		case "function_call":
			if d.Raw() != nil {
				d.Fail("unsupported_parameter", "'$' is the deprecated form of 'tool_calls' and is not supported. Send 'tool_calls' and answer them with messages of role 'tool'.")
			}
		default:
			name := plain(key)
			if v := d.Raw(); v != nil && string(v) != "[]" && string(v) != "{}" {
				// The place is that of the message, whose members are still being read.
				p := d.Path()
				p[len(p)-1].Name = name
				d.r.Unsupported = append(d.r.Unsupported, p.Indexed())
			}
		}
	}
	switch role {
	case "":
		d.Missing("role")
	case "system", "developer":
		from := len(d.r.System)
		d.r.System = d.content(content, inSystem, d.r.System)
		if mark != dialect.NoCache && len(d.r.System) > from {
			d.r.System[len(d.r.System)-1].Cache = mark
		}
		return
	case "user":
		m.Parts = d.content(content, inUser, nil)
	case "tool":
		m.Role = dialect.Tool
		if callID == "" {
			d.Missing("tool_call_id")
		}
		m.Parts = []dialect.Part{{Kind: dialect.ToolResult, At: -1, ID: callID, Content: d.content(content, inUser, nil), IsError: isError != nil && *isError}}
	case "assistant":
		m.Role = dialect.Assistant
		d.assistant(&m, content, calls, refusal, reasoning, block)
	case "function":
		d.FailIn("role", "unsupported_value", "The role 'function' is deprecated and is not supported. Answer tool calls with messages of role 'tool'.")
	}
	if mark != dialect.NoCache && len(m.Parts) > 0 {
		m.Parts[len(m.Parts)-1].Cache = mark
	}
	d.r.Messages = append(d.r.Messages, m)
}

// content reads a message's content, a string or a list of parts, and appends it to parts.
func (d *decoder) content(raw []byte, where holder, parts []dialect.Part) []dialect.Part {
	switch {
	case raw == nil:
		d.Missing("content")
		return parts
	case raw[0] == '"':
		return append(parts, dialect.Part{Kind: dialect.Text, Text: d.Text("content", raw), At: -1})
	case raw[0] != '[':
		d.WrongType("content", raw, "a string or an array of objects")
		return parts
	}
	n := 0
	for ok := d.ArrayIn("content", raw); ok && d.More(); {
		n++
		if p, ok := d.part(where); ok {
			parts = append(parts, p)
		}
	}
	if n == 0 {
		d.FailIn("content", "empty_array", emptyArray)
	}
	return parts
}

// part reads one part. ok is false for a part that the neutral model has no place for; it was noted then.
func (d *decoder) part(where holder) (p dialect.Part, ok bool) {
	p.At = d.Index()
	var kind, text, refusal string
	var image, file, sound []byte
	var hasText, hasRefusal bool
	if d.Kind() != '{' {
		d.WrongTypeHere("an object")
	}
	for ok := d.Object(); ok && d.More(); {
		switch string(d.Key()) {
		case "type":
			d.Word(&kind, "text", "image_url", "refusal", "input_audio", "file")
		case "text":
			hasText = d.Kind() == '"'
			d.String(&text)
		case "image_url":
			image = d.Raw()
		case "refusal":
			hasRefusal = d.Kind() == '"'
			d.String(&refusal)
		case "file":
			file = d.Raw()
		case "input_audio":
			sound = d.Raw()
		case "cache_control":
			p.Cache = d.cache()
		default:
			d.Skip()
		}
	}
	switch {
	case kind == "":
		d.Missing("type")
	case kind == "text":
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
	case kind == "image_url" && where == inUser:
		p.Kind = dialect.Image
		d.image(&p, image)
		return p, true
	case kind == "input_audio" && where == inUser:
		p.Kind = dialect.Audio
		d.sound(&p, sound)
		return p, true
	case kind == "file" && where == inUser:
		return p, d.file(&p, file)
	}
	switch where {
	case inSystem:
		d.WrongValueIn("type", kind, "text")
	case inUser:
		d.WrongValueIn("type", kind, "text", "image_url", "input_audio", "file")
	default:
		d.WrongValueIn("type", kind, "text", "refusal")
	}
	return p, false
}

// image reads {"url","detail"}. A data: URL is taken apart.
func (d *decoder) image(p *dialect.Part, raw []byte) {
	if raw == nil {
		d.Missing("image_url")
	}
	var url string
	for ok := d.ObjectIn("image_url", raw); ok && d.More(); {
		switch string(d.Key()) {
		case "url":
			d.String(&url)
		case "detail":
			d.String(&p.Detail)
		default:
			d.Skip()
		}
	}
	switch {
	case url == "":
		d.Missing("image_url.url")
	case !openai.IsDataURL(url):
		p.URL = url
	default:
		var ok bool
		if p.MediaType, p.Data, ok = openai.DataURL(url); !ok {
			d.FailIn("image_url.url", "invalid_image_url", "Invalid '$': expected a URL or a data URL of the form data:image/…;base64,….")
		}
	}
}

// sound reads {"data","format"}.
func (d *decoder) sound(p *dialect.Part, raw []byte) {
	if raw == nil {
		d.Missing("input_audio")
	}
	var format string
	for ok := d.ObjectIn("input_audio", raw); ok && d.More(); {
		switch string(d.Key()) {
		case "data":
			d.String(&p.Data)
		case "format":
			d.Word(&format, "wav", "mp3")
		default:
			d.Skip()
		}
	}
	switch {
	case p.Data == "":
		d.Missing("input_audio.data")
	case format == "":
		d.Missing("input_audio.format")
	}
	p.MediaType = "audio/" + format
}

// file reads {"file_data","filename","file_id"}. Only a PDF's data has a place in the neutral model; a file that was
// uploaded to a provider is known to that provider alone.
func (d *decoder) file(p *dialect.Part, raw []byte) (ok bool) {
	if raw == nil {
		d.Missing("file")
	}
	var data string
	for ok := d.ObjectIn("file", raw); ok && d.More(); {
		switch string(d.Key()) {
		case "file_data":
			d.String(&data)
		case "filename":
			d.String(&p.Name)
		default:
			d.Skip()
		}
	}
	p.MediaType, p.Data, ok = openai.DataURL(data)
	if !ok || p.MediaType != "application/pdf" {
		d.unsupported("file")
		return false
	}
	p.Kind = dialect.Document
	return true
}

// assistant reads an assistant message: thinking first, then content and refusal, then tool calls, which is the order
// in which providers that sign their thinking want them back.
func (d *decoder) assistant(m *dialect.Message, content, calls []byte, refusal string, reasoning, blocks []byte) {
	if blocks != nil {
		d.thinking(m, blocks)
	} else if reasoning != nil && string(reasoning) != `""` {
		// Text alone, without a signature, cannot be given back to any provider as its own thinking.
		d.unsupported("reasoning_content")
	}
	if !isNull(content) && string(content) != "[]" {
		m.Parts = d.content(content, inAssistant, m.Parts)
	}
	if refusal != "" {
		m.Parts = append(m.Parts, dialect.Part{Kind: dialect.Refusal, At: -1, Text: refusal})
	}
	if calls == nil {
		if isNull(content) && refusal == "" {
			d.Missing("content")
		}
		return
	}
	for ok := d.ArrayIn("tool_calls", calls); ok && d.More(); {
		d.toolCall(m)
	}
}

func (d *decoder) toolCall(m *dialect.Message) {
	p := dialect.Part{Kind: dialect.ToolCall, At: d.Index()}
	kind := "function" // some clients leave it out
	var function []byte
	if d.Kind() != '{' {
		d.WrongTypeHere("an object")
	}
	for ok := d.Object(); ok && d.More(); {
		switch string(d.Key()) {
		case "id":
			d.String(&p.ID)
		case "type":
			d.Enum(&kind, "function", "custom")
		case "function":
			function = d.Raw()
		case "extra_content":
			if p.Signature = thoughtSignature(d.Raw()); p.Signature != "" {
				p.SignedBy = dialect.SignerGemini
			}
		default:
			d.Skip()
		}
	}
	switch {
	case p.ID == "":
		d.Missing("id")
	case kind == "custom":
		d.unsupported("custom")
		return
	case function == nil:
		d.Missing("function")
	}
	for ok := d.ObjectIn("function", function); ok && d.More(); {
		switch string(d.Key()) {
		case "name":
			d.String(&p.Name)
		case "arguments":
			d.String(&p.Arguments)
		default:
			d.Skip()
		}
	}
	if p.Name == "" {
		d.Missing("function.name")
	}
	m.Parts = append(m.Parts, p)
}

// thinking reads the extension field thinking_blocks.
func (d *decoder) thinking(m *dialect.Message, raw []byte) {
	for ok := d.ArrayIn("thinking_blocks", raw); ok && d.More(); {
		p := dialect.Part{Kind: dialect.Thinking, At: d.Index()}
		var kind string
		if d.Kind() != '{' {
			d.WrongTypeHere("an object")
		}
		for ok := d.Object(); ok && d.More(); {
			switch string(d.Key()) {
			case "type":
				d.Enum(&kind, "thinking", "redacted_thinking")
			case "thinking":
				d.String(&p.Text)
			case "signature":
				d.String(&p.Signature)
			case "data":
				d.String(&p.Data)
			default:
				d.Skip()
			}
		}
		switch {
		case kind == "":
			d.Missing("type")
		case kind == "redacted_thinking" && p.Data == "":
			d.Missing("data")
		case kind == "redacted_thinking":
			p.Kind = dialect.RedactedThinking
			p.SignedBy, p.Data = dialect.Unseal(dialect.SignerUnknown, p.Data)
		case p.Signature == "":
			d.unsupported("signature") // without one the block cannot be given back
			continue
		default:
			p.SignedBy, p.Signature = dialect.Unseal(dialect.SignerUnknown, p.Signature)
		}
		m.Parts = append(m.Parts, p)
	}
}
