// Package leak finds keys that stand in clear in a text: in a comment, an example of a document, a header.
//
// Bytes enter; the place of the first key leaves. Only what has the form of a known vendor's key and is as random as
// one counts, so that placeholders ("sk-xxxxxxxx"), vendors' published examples and hashes do not. A guess by entropy
// alone was refused: in documents of a thousand ids and digests it is wrong far more often than right.
package leak

import (
	"bytes"
	"math"
	"regexp"
)

// begins are what keys begin with. They are looked for as they are, which is a hundred times as fast as the expression.
var begins = [][]byte{
	[]byte("sk-"), []byte("AKIA"), []byte("ASIA"), []byte("ghp_"), []byte("gho_"), []byte("ghs_"), []byte("ghu_"), []byte("ghr_"),
	[]byte("xoxa-"), []byte("xoxb-"), []byte("xoxp-"), []byte("xoxr-"), []byte("xoxs-"),
	[]byte("AIza"), []byte("gwc_"), []byte("hf_"), []byte("gsk_"), []byte("-----BEGIN "),
}

var form = regexp.MustCompile(`^(?:sk-[A-Za-z0-9_-]{32,}|A[KS]IA[0-9A-Z]{16}\b|gh[pousr]_[A-Za-z0-9]{36,}|xox[abprs]-[0-9A-Za-z-]{20,}|AIza[0-9A-Za-z_-]{35}|gwc_[A-Za-z0-9]{30,}|hf_[A-Za-z0-9]{30,}|gsk_[A-Za-z0-9]{40,}|-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----)`)

// longest bounds what is looked at of a key.
const longest = 512

// least is the entropy in bits for each character that a key of random characters has, and text has not.
const least = 3.2

var placeholder = regexp.MustCompile(`(?i)example|x{4,}|0{6,}|1234|abcd|your|test`)

// Find returns where the first key in a text begins and ends.
func Find(text []byte) (from, to int, found bool) {
	for _, b := range begins {
		for at := 0; ; {
			i := bytes.Index(text[at:], b)
			if i < 0 || found && at+i >= from {
				break
			}
			at += i
			if n := keyAt(text, at); n > 0 {
				from, to, found = at, at+n, true
				break
			}
			at += len(b)
		}
	}
	return from, to, found
}

// keyAt returns the length of the key that begins at a place of a text, or 0.
func keyAt(text []byte, at int) int {
	if at > 0 && (text[at-1] == '_' || '0' <= text[at-1] && text[at-1] <= '9' || 'A' <= text[at-1]&^0x20 && text[at-1]&^0x20 <= 'Z') {
		return 0 // It is in the middle of a word: "task-list".
	}
	m := form.FindIndex(text[at:min(at+longest, len(text))])
	if m == nil {
		return 0
	}
	key := text[at : at+m[1]]
	if key[0] == '-' {
		// Documents show how one begins and leave the rest out.
		body, _, _ := bytes.Cut(text[at+m[1]:min(at+8*longest, len(text))], []byte("-----"))
		if len(body) < 100 || bytes.Contains(body, []byte("..")) || placeholder.Match(body[:40]) {
			return 0
		}
	} else if placeholder.Match(key) || !bytes.ContainsAny(key, "0123456789") || entropy(key) < least {
		return 0
	}
	return m[1]
}

// entropy is that of the characters of a text, in bits for each.
func entropy(text []byte) float64 {
	var n [256]int
	for _, c := range text {
		n[c]++
	}
	h := 0.0
	for _, c := range n {
		if c > 0 {
			p := float64(c) / float64(len(text))
			h -= p * math.Log2(p)
		}
	}
	return h
}
