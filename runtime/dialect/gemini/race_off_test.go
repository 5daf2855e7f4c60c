//go:build !race

package gemini

const raced = false
