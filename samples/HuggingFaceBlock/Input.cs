using Moe.HuggingFace;
using static TorchSharp.torch;

namespace HuggingFaceBlock;

/// <summary>The tensors of an input file, checked against the block they are for.</summary>
internal sealed record Input(Tensor Tokens, Tensor? OutputGradient)
{
    /// <summary>The tokens, and the gradient of the output if there is one.</summary>
    /// <exception cref="InvalidDataException">A tensor is missing, or of the wrong shape or type.</exception>
    public static Input Read(string path, long width)
    {
        using var file = SafetensorsFile.Open(path);
        var tokens = ReadTokens(file, width);
        if (!file.Entries.ContainsKey("grad_output"))
            return new Input(tokens, null);
        var gradient = Floating(file, "grad_output");
        return gradient.shape.AsSpan().SequenceEqual(tokens.shape)
            ? new Input(tokens, gradient)
            : throw new InvalidDataException($"{file.Path}: grad_output is of shape [{string.Join(", ", gradient.shape)}]; expected that of input, [{string.Join(", ", tokens.shape)}].");
    }

    /// <summary>The tokens alone, whatever else the file has.</summary>
    /// <exception cref="InvalidDataException">They are missing, or of the wrong shape or type.</exception>
    public static Tensor ReadTokens(string path, long width)
    {
        using var file = SafetensorsFile.Open(path);
        return ReadTokens(file, width);
    }

    private static Tensor ReadTokens(SafetensorsFile file, long width)
    {
        var tokens = Floating(file, "input");
        return tokens.dim() >= 2 && tokens.shape[^1] == width && tokens.numel() > 0
            ? tokens
            : throw new InvalidDataException($"{file.Path}: input is of shape [{string.Join(", ", tokens.shape)}]; expected [.., T, {width}] with at least one token.");
    }

    private static Tensor Floating(SafetensorsFile file, string name)
    {
        if (!file.Entries.TryGetValue(name, out var entry))
            throw new InvalidDataException($"{file.Path} has no tensor {name}; it has {(file.Entries.Count == 0 ? "none" : string.Join(", ", file.Entries.Keys.Order(StringComparer.Ordinal)))}.");
        return entry.Type is ElementType.Float32 or ElementType.BFloat16 or ElementType.Float16 or ElementType.Float64
            ? file.ReadTensor(name)
            : throw new InvalidDataException($"{file.Path}: {name} is of type {entry.Type}; expected Float32, Float64, BFloat16 or Float16.");
    }
}
