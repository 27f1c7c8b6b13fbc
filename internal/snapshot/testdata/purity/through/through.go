// Package through is imported by a package that has to be pure.
package through

import "net/http"
import . "time"

// Wait names a duration only.
const Wait = Second

var _ http.Handler
