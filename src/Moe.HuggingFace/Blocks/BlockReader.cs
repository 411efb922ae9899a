using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>Reads the tensors of a block into parameters. Everything that is missing, unexpected or of another shape is said at once, before anything is allocated.</summary>
internal static class BlockReader
{
    private const int MostListed = 20;

    /// <exception cref="InvalidDataException">The tensors are not those of the block.</exception>
    public static void Check(ITensorStore store, IReadOnlyList<PublishedTensor> tensors, IReadOnlyList<string> scopes, string what)
    {
        var failures = new List<string>();
        var used = new HashSet<string>();
        foreach (var tensor in tensors)
        {
            if (tensor.IsMxfp4)
            {
                if (tensor.Shape[^1] % 32 != 0)
                    failures.Add($"{tensor.Name} has rows of {tensor.Shape[^1]} numbers; MXFP4 wants a multiple of 32.");
                Expect(tensor.BlocksName, tensor.BlocksShape, type => type == ElementType.UInt8, "U8");
                Expect(tensor.ScalesName, tensor.ScalesShape, type => type == ElementType.UInt8, "U8");
                continue;
            }

            // Squares of numbers with a scale are of matrices.
            var isMatrix = tensor.Pieces[0].Shape.Length == 2;
            Expect(tensor.Name, tensor.Shape, type => IsFloating(type) || (isMatrix && type == ElementType.Float8E4M3), isMatrix ? "a floating type" : "a floating type of 16 bits or more");
            if (isMatrix && store.Entries.TryGetValue(tensor.Name, out var entry) && entry.Type == ElementType.Float8E4M3)
                Expect(tensor.ScaleName, tensor.ScaleShape, Float8Blocks.IsScale, "F32 or BF16");
        }
        foreach (var name in store.Entries.Keys.Where(name => !used.Contains(name) && scopes.Any(scope => name.StartsWith(scope, StringComparison.Ordinal))).Order(StringComparer.Ordinal))
            failures.Add($"{name} is unexpected.");
        if (failures.Count == 0)
            return;
        if (failures is [var only])
            throw new InvalidDataException($"{what} does not have the tensors that it should: {only}");
        var rest = failures.Count > MostListed ? $"{Environment.NewLine}- and {failures.Count - MostListed} more." : "";
        throw new InvalidDataException($"{what} does not have the tensors that it should:{string.Concat(failures.Take(MostListed).Select(failure => $"{Environment.NewLine}- {failure}"))}{rest}");

        void Expect(string name, long[] shape, Func<ElementType, bool> fits, string type)
        {
            used.Add(name);
            if (!store.Entries.TryGetValue(name, out var entry))
                failures.Add($"{name} is missing.");
            else if (!entry.Shape.SequenceEqual(shape))
                failures.Add($"{name} is of shape [{string.Join(", ", entry.Shape)}]; expected [{string.Join(", ", shape)}].");
            else if (!fits(entry.Type))
                failures.Add($"{name} is of type {entry.Type}; expected {type}.");
        }
    }

    /// <summary>Makes the parameters. The caller owns them; they are in no dispose scope.</summary>
    /// <param name="store">Where the tensors are; they have been checked.</param>
    /// <param name="tensors">All tensors of the block.</param>
    /// <param name="shapes">Of the parameters.</param>
    /// <param name="typeOf">The type of a parameter, given that of its first tensor as it reads.</param>
    /// <param name="cancellationToken">Ends it between tensors.</param>
    public static Dictionary<string, Tensor> Read(
        ITensorStore store, IReadOnlyList<PublishedTensor> tensors, IReadOnlyDictionary<string, long[]> shapes, Func<string, ScalarType, ScalarType> typeOf, CancellationToken cancellationToken)
    {
        var parameters = new Dictionary<string, Tensor>();
        var stretches = new List<StoredStretch>();
        try
        {
            foreach (var tensor in tensors)
            {
                var stored = StoredType(store, tensor);
                foreach (var piece in tensor.Pieces)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    if (!parameters.TryGetValue(piece.Parameter, out var parameter))
                    {
                        parameters[piece.Parameter] = parameter = empty(shapes[piece.Parameter], dtype: typeOf(piece.Parameter, stored), device: CPU).DetachFromDisposeScope();
                        LargePages.Request(parameter);
                    }
                    if (LiesAsStored(store, tensor, piece, stored, parameter))
                        stretches.AddRange(StoredStretch.Of(tensor, piece, parameter));
                    else
                        Fill(store, tensor, piece, parameter);
                }
            }
            StoredStretch.ReadAll(store, stretches, cancellationToken);
            return parameters;
        }
        catch
        {
            foreach (var parameter in parameters.Values)
                parameter.Dispose();
            throw;
        }
    }

    /// <summary>The type in which a tensor's numbers come out; that of a quantised one is BFloat16, as its publishers decode it.</summary>
    public static ScalarType StoredType(ITensorStore store, PublishedTensor tensor) =>
        tensor.IsQuantised(store) ? ScalarType.BFloat16 : store.Entries[tensor.Name].Type.ToTorch();

    /// <summary>A piece in the type that is stored, 8-bit floats as bytes. The caller owns it.</summary>
    public static Tensor Plain(ITensorStore store, PublishedTensor tensor, WeightPiece piece)
    {
        var read = empty(piece.Shape, dtype: store.Entries[tensor.Name].Type.ToTorch(), device: CPU);
        TensorBytes.Read(store, tensor.Name, piece.First * read.element_size(), read);
        return read;
    }

    private static bool LiesAsStored(ITensorStore store, PublishedTensor tensor, WeightPiece piece, ScalarType stored, Tensor parameter) =>
        !tensor.IsQuantised(store) && piece.IsInOrder && parameter.dtype == stored;

    private static void Fill(ITensorStore store, PublishedTensor tensor, WeightPiece piece, Tensor parameter)
    {
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        var published = tensor.IsMxfp4 ? Mxfp4Pieces.Decoded(store, tensor, piece)
            : tensor.IsQuantised(store) ? Float8Blocks.Decoded(store, tensor, piece)
            : Plain(store, tensor, piece);
        foreach (var (theirs, own) in piece.Pairs(published, parameter))
            own.copy_(theirs);
    }

    private static bool IsFloating(ElementType type) => type is ElementType.Float64 or ElementType.Float32 or ElementType.Float16 or ElementType.BFloat16;
}
