using System.Collections.ObjectModel;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>The tensors of a store with those of 8-bit floats as the BFloat16 that they stand for, and without their scales. Whatever is read is decoded then, and nothing is kept.</summary>
internal sealed class DecodedTensors : ITensorStore
{
    private const int MostListed = 20;

    private readonly ITensorStore _stored;

    private DecodedTensors(ITensorStore stored, TensorEntry[] floats)
    {
        _stored = stored;
        string[] failures = [.. floats.Select(Failure).OfType<string>()];
        if (failures.Length > 0)
            throw new InvalidDataException($"8-bit floats are decoded by scales of squares of 128 by 128, but {string.Join("; ", failures.Take(MostListed))}{(failures.Length > MostListed ? $"; and {failures.Length - MostListed} more" : "")}.");
        Decoded = floats.Select(entry => entry.Name).ToHashSet(StringComparer.Ordinal);
        var scales = Decoded.Select(Float8Blocks.ScaleName).ToHashSet(StringComparer.Ordinal);
        Entries = new ReadOnlyDictionary<string, TensorEntry>(stored.Entries.Values.Where(entry => !scales.Contains(entry.Name)).ToDictionary(entry => entry.Name, Shown, StringComparer.Ordinal));
    }

    /// <inheritdoc/>
    /// <remarks>Decoded ones lie nowhere: their first byte is 0.</remarks>
    public IReadOnlyDictionary<string, TensorEntry> Entries { get; }

    /// <summary>The names of those that are decoded.</summary>
    public IReadOnlySet<string> Decoded { get; }

    /// <summary>The tensors of a checkpoint; null if none is of 8-bit floats.</summary>
    /// <exception cref="InvalidDataException">Some have no scales, or none that fit, which are listed; or the settings say that squares are of another size.</exception>
    public static DecodedTensors? Of(Checkpoint checkpoint)
    {
        var floats = checkpoint.Tensors.Entries.Values.Where(entry => entry.Type is ElementType.Float8E4M3 or ElementType.Float8E5M2).ToArray();
        if (floats.Length == 0)
            return null;
        QuantisationSettings.RequireSquares(checkpoint.Config);
        return new(checkpoint.Tensors, floats);
    }

    /// <inheritdoc/>
    public unsafe void Read(string name, long firstByte, Span<byte> destination)
    {
        if (!Decoded.Contains(name))
        {
            _stored.Read(name, firstByte, destination);
            return;
        }
        const int Size = 2;
        if (firstByte % Size != 0 || destination.Length % Size != 0)
            throw new ArgumentOutOfRangeException(nameof(firstByte), firstByte, $"{destination.Length} bytes from there on cut through a number of {name}.");
        using var scope = NewDisposeScope();
        var numbers = empty(destination.Length / Size, dtype: ScalarType.Float32, device: CPU);
        Float8Blocks.Decode(_stored, name, firstByte / Size, new Span<float>(HostMemory.Start<float>(numbers), destination.Length / Size));

        // Rounded as a block that is loaded is.
        TensorBytes.Copy(numbers.to(ScalarType.BFloat16), 0, destination);
    }

    private string? Failure(TensorEntry entry)
    {
        if (entry.Type != ElementType.Float8E4M3 || entry.Shape.Count < 2)
            return $"{entry.Name} is of type {entry.Type} and shape {TensorShape.Text(entry.Shape)}";
        if (!_stored.Entries.TryGetValue(Float8Blocks.ScaleName(entry.Name), out var scales))
            return $"{Float8Blocks.ScaleName(entry.Name)} is missing";
        var expected = Float8Blocks.ScaleShape(entry.Shape);
        return Float8Blocks.IsScale(scales.Type) && scales.Shape.SequenceEqual(expected)
            ? null
            : $"{scales.Name} is of type {scales.Type} and shape {TensorShape.Text(scales.Shape)}, not Float32 or BFloat16 and {TensorShape.Text(expected)}";
    }

    private TensorEntry Shown(TensorEntry entry) =>
        Decoded.Contains(entry.Name) ? entry with { Type = ElementType.BFloat16, Begin = 0, End = entry.ElementCount * ElementType.BFloat16.Size() } : entry;
}
