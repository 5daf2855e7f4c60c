package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/gwc-dev/gwc/compiler/cache"
	"github.com/gwc-dev/gwc/compiler/load"
	"github.com/gwc-dev/gwc/schema/release"
)

// cacheVariable names the folder of the cache; "off" turns it off.
const cacheVariable = "GWC_CACHE"

// results returns the cache of results, or nil where there is none: a cache that cannot be had makes a build slower,
// and is said in one line.
func (c *compiling) results() *cache.Cache {
	if c.noCache || c.opened {
		return c.cache
	}
	c.opened = true
	dir := os.Getenv(cacheVariable)
	switch dir {
	case "off":
		return nil
	case "":
		user, err := os.UserCacheDir()
		if err != nil {
			return nil // No home, no cache: containers of CI are made so.
		}
		dir = filepath.Join(user, "gwc")
	}
	opened, err := cache.Open(dir)
	if err != nil {
		c.note = fmt.Sprintf("building without a cache: %s cannot be used: %v", dir, cause(err))
		return nil
	}
	if opened.Tool, err = tool(opened); err != nil {
		return nil
	}
	c.cache = opened
	return opened
}

// tool identifies this program by the digest of its file, which the cache knows as long as the file is the same.
func tool(c *cache.Cache) (string, error) {
	name, err := os.Executable()
	if err != nil {
		return "", err
	}
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	key := sha256.Sum256(fmt.Appendf(nil, "tool\x00%s\x00%d\x00%+v", name, info.ModTime().UnixNano(), load.StampOf(info)))
	if digest, ok := c.Get(key); ok {
		return release.Tool + " " + hex.EncodeToString(digest), nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	digest := h.Sum(nil)
	c.Put(key, digest)
	return release.Tool + " " + hex.EncodeToString(digest), nil
}

// endCache ends the use of the cache after a command's last compilation.
func (c *compiling) endCache() {
	if err := c.cache.Close(); err != nil && c.note == "" {
		c.note = fmt.Sprintf("what was worked out is not kept for the next build: %v", err)
	}
}
