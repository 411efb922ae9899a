using Moe.Testing;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>One way of routing.</summary>
/// <param name="Name">What it is called in tests.</param>
/// <param name="Options">What a gate of eight experts is built from; null for a router of another kind.</param>
/// <param name="Soft">What a soft router of eight experts is built from; null for a gate.</param>
/// <param name="Contract">The laws that it must obey.</param>
internal sealed record BuiltInRouter(string Name, GatingOptions? Options, SoftRouterOptions? Soft, RouterContract Contract)
{
    /// <summary>Builds it, for tokens of width 6.</summary>
    public Router On(Device device, ScalarType type) =>
        Options is null ? new SoftRouter(Soft!, device: device, dtype: type) : new GatingNetwork(Options, device: device, dtype: type);
}
