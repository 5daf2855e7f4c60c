package http1

// Why requests are refused. [Head.ParseResponse] and a response's [Body] give the same reasons with status 502. After
// any of them the connection must be closed: where the next message begins is unknown. They are constants in all but
// the language's sense and must not be changed.
var (
	errBareCR           = &Error{400, "a carriage return without a line feed"}
	errBareLF           = &Error{400, "a line feed without a carriage return"}
	errBlankLines       = &Error{400, "too many empty lines before the message"}
	errMethod           = &Error{400, "a malformed method"}
	errUnknownMethod    = &Error{501, "an unknown method"}
	errConnect          = &Error{501, "the method CONNECT is not offered"}
	errRequestLine      = &Error{400, "a malformed request line"}
	errTarget           = &Error{400, "a malformed request target"}
	errScheme           = &Error{400, "a request target whose scheme is not http or https"}
	errUserInfo         = &Error{400, "user information in the request target"}
	errVersion          = &Error{400, "a malformed protocol version"}
	errOtherVersion     = &Error{505, "a protocol version other than HTTP/1.0 and HTTP/1.1"}
	errStatusLine       = &Error{400, "a malformed status line"}
	errTargetTooLong    = &Error{414, "the request line is too long"}
	errHeadTooLarge     = &Error{431, "the head is too large"}
	errTooManyFields    = &Error{431, "too many fields"}
	errFold             = &Error{400, "a line that begins with white space"}
	errEmptyName        = &Error{400, "a field without a name"}
	errSpaceBeforeColon = &Error{400, "white space before a field's colon"}
	errNoColon          = &Error{400, "a field line without a colon"}
	errName             = &Error{400, "a malformed field name"}
	errValue            = &Error{400, "a control character in a field value"}
	errTwoHosts         = &Error{400, "more than one Host field"}
	errNoHost           = &Error{400, "no Host field"}
	errHost             = &Error{400, "a malformed Host"}
	errTwoLengths       = &Error{400, "more than one Content-Length field"}
	errLength           = &Error{400, "a malformed Content-Length"}
	errTwoCodings       = &Error{400, "more than one Transfer-Encoding field"}
	errCoding           = &Error{400, "a Transfer-Encoding other than chunked"}
	errUnknownCoding    = &Error{501, "an unknown transfer coding"}
	errCodingIn10       = &Error{400, "a Transfer-Encoding in HTTP/1.0"}
	errLengthAndCoding  = &Error{400, "both Content-Length and Transfer-Encoding"}
	errTooManyOptions   = &Error{400, "too many connection options"}
	errOption           = &Error{400, "a malformed connection option"}
	errOptionForbidden  = &Error{400, "a connection option that names an end-to-end field"}
	errChunkSize        = &Error{400, "a malformed chunk size"}
	errChunkTooLarge    = &Error{400, "a chunk size that is too large"}
	errChunkExtension   = &Error{400, "a malformed chunk extension"}
	errChunkExtensions  = &Error{400, "too many bytes of chunk extensions"}
	errChunkEnd         = &Error{400, "chunk data that is not followed by a line end"}
	errTrailersTooLarge = &Error{431, "the trailer section is too large"}
	errNoUpgrade        = &Error{400, "a switch of protocols without an Upgrade field"}
	errPath             = &Error{400, "a malformed path"}
	errPathEncoding     = &Error{400, "a malformed percent-encoding in the path"}
	errPathDots         = &Error{400, "a dot segment in the path"}
)

// fromUpstream returns err as it is told to a client whose upstream sent the refused message.
func fromUpstream(err *Error) *Error { return &Error{502, err.Reason} }
