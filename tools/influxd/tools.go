//go:build tools

// Package influxd pins what tools/provision.py builds for the tests: the real InfluxDB 2 server and
// the pkg-config that finds (and builds) its Flux library.
package influxd

import (
	_ "github.com/influxdata/influxdb/v2/cmd/influxd"
	_ "github.com/influxdata/pkg-config"
)
