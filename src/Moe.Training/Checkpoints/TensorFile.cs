using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>The file of a checkpoint: named tensors and a text.</summary>
internal static class TensorFile
{
    private static readonly TensorFormat Format = new("moe-checkpoint-1", "checkpoint");

    /// <inheritdoc cref="TensorFormat.Write"/>
    public static void Write(Stream stream, string text, IReadOnlyList<(string Name, Tensor Tensor)> tensors) => Format.Write(stream, text, tensors);

    /// <inheritdoc cref="TensorFormat.Read(string)"/>
    public static (string Text, Dictionary<string, Tensor> Tensors) Read(string path) => Format.Read(path);
}
