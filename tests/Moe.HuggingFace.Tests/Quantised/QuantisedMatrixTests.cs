using TorchSharp;
using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

/// <summary>Matrices that are kept as bytes.</summary>
public sealed class QuantisedMatrixTests
{
    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.BFloat16)]
    public void Eight_bits_are_off_by_half_a_step_of_their_row_at_most(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var weights = (Quantities.Normal(1, 6, 50) * tensor(new[] { 1e-30, 1e-3, 1, 10, 1e20, 1 }).view(6, 1)).to(type);
        using var matrix = (Int8Matrix)QuantisedMatrix.From(weights, WeightCompression.Int8);

        var exact = weights.to(ScalarType.Float64);
        var steps = exact.abs().amax([1], keepdim: true) / 127;
        ((matrix.Decode(ScalarType.Float64) - exact).abs() / steps).max().item<double>().Should().BeInRange(0.4, 0.5 + 1e-4);
        matrix.Codes.abs().amax([1]).to(ScalarType.Int32).data<int>().ToArray().Should().OnlyContain(code => code == 127, "every row uses its whole range");
    }

    [Fact]
    public void Codes_are_the_nearest_and_halfway_the_even_ones()
    {
        using var scope = NewDisposeScope();
        using var matrix = (Int8Matrix)QuantisedMatrix.From(tensor(new[] { 127f, 0.5f, 1.5f, 2.5f, -0.5f, -3.5f, 0.51f, -127f }, [1, 8]), WeightCompression.Int8);

        matrix.Codes.data<sbyte>().ToArray().Should().Equal(127, 0, 2, 2, 0, -4, 1, -127);
        matrix.Scales.item<float>().Should().Be(1);
    }

    [Fact]
    public void Rows_of_zeros_and_of_next_to_nothing_are_zeros()
    {
        using var scope = NewDisposeScope();
        using var matrix = QuantisedMatrix.From(tensor(new[] { 0f, 0, float.Epsilon, -float.Epsilon, 1, 2 }, [3, 2]), WeightCompression.Int8);

        matrix.Decode().data<float>().ToArray()[..4].Should().OnlyContain(weight => weight == 0);
    }

    [Fact]
    public void Four_bits_are_off_by_a_quarter_at_most()
    {
        using var scope = NewDisposeScope();
        var weights = Quantities.Normal(1, 20, 96).to(ScalarType.Float32);
        using var matrix = (Mxfp4Matrix)QuantisedMatrix.From(weights, WeightCompression.Mxfp4);

        var units = (matrix.Scales.to(ScalarType.Float64) - 127).exp2().unsqueeze(-1).expand(20, 3, 32).reshape(20, 96);
        var exact = weights.to(ScalarType.Float64);
        ((matrix.Decode(ScalarType.Float64) - exact).abs() / maximum(exact.abs(), units)).max().item<double>().Should().BeInRange(0.15, 0.25);
    }

    [Theory]
    [InlineData(WeightCompression.Int8, (64 * 96) + (64 * 4))]
    [InlineData(WeightCompression.Mxfp4, (64 * 96 / 2) + (64 * 96 / 32))]
    public void It_says_what_it_takes(WeightCompression compression, long bytes)
    {
        using var scope = NewDisposeScope();
        using var matrix = QuantisedMatrix.From(Quantities.Normal(1, 64, 96), compression);

        matrix.MemoryBytes.Should().Be(bytes);
        matrix.DecodedBytes.Should().Be(64 * 96 * 4);
        (matrix.Rows, matrix.Columns).Should().Be((64, 96));
    }

    [Theory]
    [InlineData(WeightCompression.Int8)]
    [InlineData(WeightCompression.Mxfp4)]
    public void Moving_it_to_another_type_changes_nothing(WeightCompression compression)
    {
        using var scope = NewDisposeScope();
        using var matrix = QuantisedMatrix.From(Quantities.Normal(1, 8, 64), compression);
        var before = matrix.Decode();
        var types = matrix.buffers().Select(buffer => buffer.dtype).ToArray();

        foreach (var type in new[] { ScalarType.BFloat16, ScalarType.Float64, ScalarType.Float16 })
        {
            matrix.to(type);
            matrix.to(CPU, type);
            matrix.buffers().Select(buffer => buffer.dtype).Should().Equal(types);
            Quantities.SameBits(matrix.Decode(), before);
        }
    }

    [Theory]
    [InlineData(WeightCompression.Int8, ScalarType.Float64)]
    [InlineData(WeightCompression.Int8, ScalarType.BFloat16)]
    [InlineData(WeightCompression.Int8, ScalarType.Float16)]
    [InlineData(WeightCompression.Mxfp4, ScalarType.Float64)]
    public void Other_types_get_what_Float32_holds(WeightCompression compression, ScalarType type)
    {
        using var scope = NewDisposeScope();
        using var matrix = QuantisedMatrix.From(Quantities.Normal(1, 8, 64), compression);

        Quantities.SameBits(matrix.Decode(type), matrix.Decode().to(type));
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void The_host_and_torch_decode_eight_bits_to_the_same_bits(ScalarType type)
    {
        using var scope = NewDisposeScope();

        // The last two make products that lie halfway between two numbers of BFloat16.
        float[] extremes = [0, -0f, float.Epsilon, 1e-40f, float.MaxValue, float.MaxValue / 127, float.PositiveInfinity, float.NaN, BitConverter.Int32BitsToSingle(-1), -1, 0.3f, 1 + (1 / 256f), 1 + (3 / 256f)];
        var factors = cat([tensor(extremes), Quantities.Normal(1, 87).to(ScalarType.Float32)]).view(100, 1);
        foreach (var columns in new[] { 1, 15, 16, 37, 6000 })
        {
            var codes = tensor(Quantities.Bytes(columns, 100 * columns), [100, columns]).to(ScalarType.Int8);

            Quantities.SameBits(Int8Tensors.OnHost(codes, factors, type), Int8Tensors.WithTorch(codes, factors, type));
        }
    }

    [Fact]
    public void What_it_is_made_from_is_copied()
    {
        using var scope = NewDisposeScope();
        var (codes, scales) = (ones([2, 3], dtype: ScalarType.Int8), ones([2, 1]));
        using var matrix = new Int8Matrix(codes.t().contiguous().t(), scales);
        codes.zero_();
        scales.zero_();

        matrix.Decode().sum().item<float>().Should().Be(6);
        matrix.Codes.is_contiguous().Should().BeTrue("a state is written as it lies");
    }

    [Fact]
    public void What_cannot_be_is_refused()
    {
        using var scope = NewDisposeScope();
        FluentActions.Invoking(() => QuantisedMatrix.From(ones(4, 33), WeightCompression.Mxfp4)).Should().Throw<ArgumentException>().WithMessage("Expected rows of a multiple of 32*");
        FluentActions.Invoking(() => QuantisedMatrix.From(tensor(new[] { 1f, float.NaN }, [1, 2]), WeightCompression.Int8)).Should().Throw<ArgumentException>().WithMessage("Expected finite*");
        FluentActions.Invoking(() => QuantisedMatrix.From(ones(4), WeightCompression.Int8)).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => QuantisedMatrix.From(ones([2, 2], dtype: ScalarType.Int32), WeightCompression.Int8)).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => QuantisedMatrix.From(ones(0, 2), WeightCompression.Int8)).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => QuantisedMatrix.From(ones(2, 2), (WeightCompression)9)).Should().Throw<ArgumentOutOfRangeException>();
        FluentActions.Invoking(() => QuantisedMatrix.From(null!, WeightCompression.Int8)).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => new Int8Matrix(ones([2, 3], dtype: ScalarType.Int8), ones(2))).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => new Mxfp4Matrix(zeros([2, 16], dtype: ScalarType.Byte), zeros([2], dtype: ScalarType.Byte))).Should().Throw<ArgumentException>();
        var gone = QuantisedMatrix.From(ones(2, 2), WeightCompression.Int8);
        gone.Dispose();
        FluentActions.Invoking(() => gone.Decode()).Should().Throw<ObjectDisposedException>();
    }
}
