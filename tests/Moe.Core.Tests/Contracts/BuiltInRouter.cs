using Moe.Testing;

namespace Moe.Core.Tests;

/// <summary>One way of routing.</summary>
/// <param name="Name">What it is called in tests.</param>
/// <param name="Options">What a gate of eight experts is built from; null for a router of another kind.</param>
/// <param name="Contract">The laws that it must obey.</param>
internal sealed record BuiltInRouter(string Name, GatingOptions? Options, RouterContract Contract);
