using System.Diagnostics.CodeAnalysis;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// Refuses tensors that native code could not take, before it sees them: some native errors end the process.
/// Every message names what was expected and what came.
/// </summary>
internal static class TensorGuard
{
    /// <summary>The tensor is there, alive, of a floating type, and its last dimension is <paramref name="width"/>.</summary>
    public static void Rows([NotNull] Tensor? tensor, long width, string name)
    {
        Alive(tensor, name);
        if (!IsFloating(tensor.dtype))
            throw new ArgumentException($"Expected {name} of type Float32, Float64, BFloat16 or Float16, got {tensor.dtype}.", name);
        if (tensor.dim() < 1 || tensor.size(-1) != width)
            throw new ArgumentException($"Expected {name} of shape [*, {width}], got {Shape(tensor)}.", name);
    }

    /// <summary>As <see cref="Rows"/>, with exactly two dimensions.</summary>
    public static void Matrix([NotNull] Tensor? tensor, long width, string name)
    {
        Rows(tensor, width, name);
        if (tensor.dim() != 2)
            throw new ArgumentException($"Expected {name} of shape [n, {width}], got {Shape(tensor)}.", name);
    }

    /// <summary>The tensor is not null and not disposed.</summary>
    public static void Alive([NotNull] Tensor? tensor, string name)
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        if (tensor.IsInvalid)
            throw new ObjectDisposedException(name, $"The tensor given as {name} has been disposed.");
    }

    /// <summary>There is at least one token.</summary>
    public static void NotEmpty(Tensor tensor, string name)
    {
        if (tensor.numel() == 0)
            throw new ArgumentException($"Expected {name} with at least 1 token, got shape {Shape(tensor)}, which has none.", name);
    }

    /// <summary>The mask is of type Bool, one entry a token: the shape of <paramref name="input"/> without its last dimension.</summary>
    public static void Mask([NotNull] Tensor? mask, Tensor input, string name)
    {
        Alive(mask, name);
        if (mask.dtype != ScalarType.Bool)
            throw new ArgumentException($"Expected {name} of type Bool (true = a real token), got {mask.dtype}.", name);
        var expected = input.shape[..^1];
        if (!mask.shape.AsSpan().SequenceEqual(expected))
            throw new ArgumentException($"Expected {name} of shape [{string.Join(", ", expected)}], got {Shape(mask)}.", name);
        SameDevice(mask, input.device, name, "the input");
    }

    /// <summary>The tensor is of type Int64 and of a shape, and lies where the input does.</summary>
    public static void Integers([NotNull] Tensor? tensor, ReadOnlySpan<long> shape, Tensor input, string name)
    {
        Alive(tensor, name);
        if (tensor.dtype != ScalarType.Int64 || !tensor.shape.AsSpan().SequenceEqual(shape))
            throw new ArgumentException($"Expected {name} of shape [{string.Join(", ", shape.ToArray())}] and type Int64, got {Shape(tensor)} of {tensor.dtype}.", name);
        SameDevice(tensor, input.device, name, "the input");
    }

    /// <summary>The tensor lies on <paramref name="device"/>, where <paramref name="owner"/> is.</summary>
    public static void SameDevice(Tensor tensor, Device device, string name, string owner)
    {
        if (!SameDevice(tensor.device, device))
            throw new ArgumentException($"Expected {name} on device {device}, where {owner} is, got {tensor.device}.", name);
    }

    /// <summary>What a user's <paramref name="maker"/> made has the shape, one of the types and the device that it must have.</summary>
    public static void Made([NotNull] Tensor? tensor, string name, ReadOnlySpan<long> shape, Device device, string maker, params ReadOnlySpan<ScalarType> types)
    {
        if (tensor is not { IsInvalid: false } || !tensor.shape.AsSpan().SequenceEqual(shape))
        {
            var got = tensor is null ? "null" : tensor.IsInvalid ? "a disposed tensor" : Shape(tensor);
            throw new InvalidOperationException($"{maker} must propose {name} of shape [{string.Join(", ", shape.ToArray())}], but gave {got}.");
        }
        if (!types.Contains(tensor.dtype))
            throw new InvalidOperationException($"{maker} must propose {name} of type {string.Join(" or ", types.ToArray())}, but gave {tensor.dtype}.");
        if (!SameDevice(tensor.device, device))
            throw new InvalidOperationException($"{maker} must propose {name} on device {device}, where the tokens are, but gave {tensor.device}.");
    }

    /// <summary>The tensor has the type and the device of <paramref name="weight"/>, which belongs to <paramref name="owner"/>.</summary>
    public static void SameAs(Tensor tensor, Tensor weight, string name, string owner)
    {
        if (tensor.dtype != weight.dtype)
            throw new ArgumentException($"Expected {name} of type {weight.dtype}, as {owner} is, got {tensor.dtype}.", name);
        SameDevice(tensor, weight.device, name, owner);
    }

    /// <summary>The type that weights are to be made in is one that experts and gates compute in; null leaves the choice to torch.</summary>
    public static void Floating(ScalarType? type, string name)
    {
        if (type is { } given && !IsFloating(given))
            throw new ArgumentException($"Expected {name} Float32, Float64, BFloat16 or Float16, got {given}.", name);
    }

    /// <summary>True where both are the same device; an absent index means the first.</summary>
    public static bool SameDevice(Device left, Device right) =>
        left.type == right.type && Math.Max(left.index, 0) == Math.Max(right.index, 0);

    /// <summary>True for the types that gates and experts compute in.</summary>
    public static bool IsFloating(ScalarType type) =>
        type is ScalarType.Float32 or ScalarType.Float64 or ScalarType.BFloat16 or ScalarType.Float16;

    /// <summary>The shape as a reader writes it: [2, 3].</summary>
    public static string Shape(Tensor tensor) => $"[{string.Join(", ", tensor.shape)}]";
}
