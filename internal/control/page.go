package control

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net"
	"net/http"
	"strings"
)

// files are the status page, as it is: nothing is built or fetched.
//
//go:embed page
var files embed.FS

// pageHeaders keep out what is not the page's own: no script, style, image or
// frame of others, and no text that becomes one.
var pageHeaders = map[string]string{
	"Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	"X-Content-Type-Options":  "nosniff",
	"Referrer-Policy":         "no-referrer",
	// A browser asks each time whether the page is still that of this build.
	"Cache-Control": "no-cache",
}

// page serves the status page.
func page() http.Handler {
	tag := sha256.New()
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := files.ReadFile(path)
		_, _ = tag.Write(text) // a hash takes everything
		return err
	})
	if err != nil {
		panic(err) // what was compiled in is there
	}
	etag := `"` + hex.EncodeToString(tag.Sum(nil)[:8]) + `"`
	serve := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		for name, value := range pageHeaders {
			w.Header().Set(name, value)
		}
		w.Header().Set("ETag", etag)
		switch req.URL.Path {
		case "/":
			http.ServeFileFS(w, req, files, "page/index.html")
		case "/page/":
			http.NotFound(w, req)
		default:
			serve.ServeHTTP(w, req)
		}
	})
}

// byItsName refuses requests to a loopback address by another name than its own: a
// page of somebody else, whose name was made to lead here, would otherwise read
// what only users of this node may.
func byItsName(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		host := req.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		local, _ := req.Context().Value(http.LocalAddrContextKey).(net.Addr)
		tcp, _ := local.(*net.TCPAddr)
		if tcp == nil || !tcp.IP.IsLoopback() || host == "localhost" || net.ParseIP(strings.Trim(host, "[]")) != nil {
			next.ServeHTTP(w, req)
			return
		}
		reply(w, http.StatusForbidden, failure{"host: ask for localhost or an address, not for another name"})
	})
}
