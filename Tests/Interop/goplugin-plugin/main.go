// Command goplugin-plugin is a plugin of Nomad's kind, built with the go-plugin library, to test hosts with. It has
// go-plugin's own services and the method PluginInfo of Nomad's BasePlugin, which says that it is a driver named
// "interop", version 1.2.3. It is not to be started by hand: a host does.
package main

import (
	"context"

	"github.com/golang/protobuf/proto"
	"github.com/golang/protobuf/ptypes/empty"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// pluginInfo is Nomad's PluginInfoResponse in protobuf's wire format: type (1) DRIVER, plugin_api_versions (2),
// plugin_version (3), name (4).
const pluginInfo = "\x08\x02" + "\x12\x050.1.0" + "\x1a\x051.2.3" + "\x22\x07interop"

type base struct {
	plugin.NetRPCUnsupportedPlugin
}

func (base) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (interface{}, error) {
	return nil, nil
}

func (base) GRPCServer(_ *plugin.GRPCBroker, server *grpc.Server) error {
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "hashicorp.nomad.plugins.base.proto.BasePlugin",
		HandlerType: (*interface{})(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "PluginInfo", Handler: answerPluginInfo}},
	}, struct{}{})
	return nil
}

func answerPluginInfo(_ interface{}, _ context.Context, decode func(interface{}) error,
	_ grpc.UnaryServerInterceptor) (interface{}, error) {
	if err := decode(&empty.Empty{}); err != nil {
		return nil, err
	}
	// The fields that an Empty does not have travel in it as unknown ones.
	answer := &empty.Empty{}
	return answer, proto.Unmarshal([]byte(pluginInfo), answer)
}

func main() {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion:  2,
			MagicCookieKey:   "NOMAD_PLUGIN_MAGIC_COOKIE",
			MagicCookieValue: "e4327c2e01eabfd75a8a67adb114fb34a757d57eee7728d857a8cec6e91a7255",
		},
		VersionedPlugins: map[int]plugin.PluginSet{2: {"base": &base{}}},
		GRPCServer:       plugin.DefaultGRPCServer,
	})
}
