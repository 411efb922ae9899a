using Moe.HuggingFace;
using static TorchSharp.torch;

namespace HuggingFaceBlock;

/// <summary>The tensors of an input file, checked against the block they are for.</summary>
internal sealed record Input(Tensor Tokens, Tensor? OutputGradient)
{
    /// <exception cref="InvalidDataException">A tensor is missing, or of the wrong shape or type.</exception>
    public static Input Read(string path, long width)
    {
        using var file = SafetensorsFile.Open(path);
        var tokens = Floating(file, "input");
        if (tokens.dim() < 2 || tokens.shape[^1] != width || tokens.numel() == 0)
            throw new InvalidDataException($"{path}: input is of shape [{string.Join(", ", tokens.shape)}]; expected [.., T, {width}] with at least one token.");
        if (!file.Entries.ContainsKey("grad_output"))
            return new Input(tokens, null);
        var gradient = Floating(file, "grad_output");
        return gradient.shape.AsSpan().SequenceEqual(tokens.shape)
            ? new Input(tokens, gradient)
            : throw new InvalidDataException($"{path}: grad_output is of shape [{string.Join(", ", gradient.shape)}]; expected that of input, [{string.Join(", ", tokens.shape)}].");
    }

    private static Tensor Floating(SafetensorsFile file, string name)
    {
        if (!file.Entries.TryGetValue(name, out var entry))
            throw new InvalidDataException($"{file.Path} has no tensor {name}; it has {string.Join(", ", file.Entries.Keys.Order(StringComparer.Ordinal))}.");
        return entry.Type is ElementType.Float32 or ElementType.BFloat16 or ElementType.Float16 or ElementType.Float64
            ? file.ReadTensor(name)
            : throw new InvalidDataException($"{file.Path}: {name} is of type {entry.Type}; expected a floating type.");
    }
}
