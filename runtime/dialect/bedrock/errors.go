package bedrock

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// DecodeError reads an error answer: {"message"} or {"Message"}, with the type in the header x-amzn-errortype or in the
// member "__type". It always gives an error with a message, whatever the body holds. Code is AWS's name of the error,
// Type the word of its status.
func DecodeError(a *dialect.ErrorAnswer) *dialect.Error {
	message, kind := readBody(a.Body)
	if a.Type != "" {
		kind = a.Type
	}
	e := fault(plain(kind), message)
	if e.Status == 0 {
		e.Status = a.Status
	}
	if e.Message == "" {
		e.Message = dialect.AnswerError(&dialect.ErrorAnswer{Status: a.Status, Body: a.Body}, typeOf).Message
	}
	e.Type, e.RetryAfter = typeOf(e.Status), a.RetryAfter
	if e.Status == http.StatusUnauthorized && e.Code != clockSkew {
		e.Message = dialect.Refused
	}
	return e
}

// exception reads an exception that came as a frame.
func exception(name string, payload []byte) *dialect.Error {
	message, _ := readBody(payload)
	return failure(name, message)
}

// failure makes the error of a stream that failed.
func failure(name, message string) *dialect.Error {
	e := fault(plain(name), message)
	if e.Status == 0 {
		e.Status = http.StatusInternalServerError
	}
	if e.Message == "" {
		e.Message = "The provider broke its answer off with an error."
	}
	e.Type = typeOf(e.Status)
	return e
}

// plain is the name of an error without its namespace in front ("com.amazon#") or its address behind (":http://…"), and
// with a capital, as streams do not write it.
func plain(kind string) string {
	kind, _, _ = strings.Cut(kind, ":")
	if i := strings.LastIndexByte(kind, '#'); i >= 0 {
		kind = kind[i+1:]
	}
	if len(kind) > 0 && 'a' <= kind[0] && kind[0] <= 'z' {
		kind = string(kind[0]-'a'+'A') + kind[1:]
	}
	return kind
}

func readBody(body []byte) (message, kind string) {
	body = bytes.TrimSpace(body)
	if jsonscan.Valid(body) != nil || !isObject(body) {
		return "", ""
	}
	text := func(raw []byte) string {
		if len(raw) < 2 || raw[0] != '"' {
			return ""
		}
		s, _ := jsonscan.Unquote(raw, nil)
		return string(s)
	}
	c := jsonscan.Over(body)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "message", "Message":
			if s := text(c.Skip()); s != "" {
				message = s
			}
		case "__type", "code":
			if s := text(c.Skip()); s != "" {
				kind = s
			}
		default:
			c.Skip()
		}
	}
	return dialect.Redact(message), kind
}

const clockSkew = "clock_skew"

// fault makes an error of AWS's name for it. Its status is the one that the name stands for, which need not be that of the
// answer (a quota that is used up answers 400); 0 where the name is not known.
//
// Source: "Common Errors" of Bedrock's API reference, and the exceptions of the service's model.
func fault(name, message string) *dialect.Error {
	e := &dialect.Error{Code: name, Message: message}
	switch name {
	case "ThrottlingException", "TooManyRequestsException", "ServiceQuotaExceededException", "ModelNotReadyException", "RequestLimitExceeded":
		e.Status = http.StatusTooManyRequests
	case "ValidationException":
		e.Status = http.StatusBadRequest
	case "ResourceNotFoundException":
		e.Status = http.StatusNotFound
	case "ServiceUnavailableException", "ServiceUnavailable":
		e.Status = http.StatusServiceUnavailable
	case "InternalServerException", "InternalFailure", "InternalServerError":
		e.Status = http.StatusInternalServerError
	case "ModelErrorException", "ModelStreamErrorException":
		// 424 in the API: the model behind it failed. To the caller that is the provider's fault.
		e.Status = http.StatusBadGateway
	case "ModelTimeoutException":
		e.Status = http.StatusGatewayTimeout
	case "UnrecognizedClientException", "InvalidSignatureException", "IncompleteSignatureException", "IncompleteSignature", "ExpiredTokenException", "ExpiredToken",
		"MissingAuthenticationTokenException", "MissingAuthenticationToken", "InvalidClientTokenId", "SignatureDoesNotMatch", "RequestExpired", "NotAuthorized", "OptInRequired":
		e.Status = http.StatusUnauthorized
		if strings.HasPrefix(message, "Signature expired") || strings.HasPrefix(message, "Signature not yet current") || name == "RequestExpired" {
			e.Code, e.Message = clockSkew, "The provider refused the gateway's signature: the gateway's clock is wrong by more than five minutes."
		}
	case "AccessDeniedException", "AccessDenied":
		e.Status = http.StatusForbidden
		if strings.Contains(message, "arn:") || strings.Contains(strings.ToLower(message), "token") {
			// It tells of the gateway's account, role or token.
			e.Message = "The provider does not allow the gateway's account to use this model."
		}
	}
	return e
}

// typeOf is a word for a status.
func typeOf(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return "authentication_error"
	case status == http.StatusForbidden:
		return "permission_error"
	case status == http.StatusNotFound:
		return "not_found_error"
	case status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case 400 <= status && status < 500:
		return "invalid_request_error"
	}
	return "api_error"
}
