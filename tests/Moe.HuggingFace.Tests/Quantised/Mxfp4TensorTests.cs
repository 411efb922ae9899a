using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

/// <summary>Tensors of MXFP4, by the host's code and by torch's operations.</summary>
public sealed class Mxfp4TensorTests
{
    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void Both_ways_agree_to_the_bit_for_every_byte_at_every_scale(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var blocks = arange(256, dtype: ScalarType.Int64).to(ScalarType.Byte).view(1, 16, 16).expand(256, 16, 16);
        var scales = arange(256, dtype: ScalarType.Int64).to(ScalarType.Byte).view(256, 1).expand(256, 16);

        Quantities.SameBits(Mxfp4Tensors.OnHost(blocks, scales, type), Mxfp4Tensors.WithTorch(blocks, scales, type));
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void Tasks_of_the_host_meet_without_a_seam(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var blocks = tensor(Quantities.Bytes(1, 35000 * 16), [35000, 16]);
        var scales = tensor(Quantities.Bytes(2, 35000), [35000]);

        Quantities.SameBits(Mxfp4Tensors.OnHost(blocks, scales, type), Mxfp4Tensors.WithTorch(blocks, scales, type));
    }

    [Fact]
    public void The_numbers_of_a_row_follow_one_another()
    {
        using var scope = NewDisposeScope();
        var (bytes, codes) = (Quantities.Bytes(3, 2 * 3 * 4 * 16), Quantities.Bytes(4, 2 * 3 * 4));
        var expected = new float[2 * 3 * 4 * 32];
        Mxfp4.Decode(bytes, codes, expected);

        var numbers = Mxfp4.Decode(tensor(bytes, [2, 3, 4, 16]), tensor(codes, [2, 3, 4]), ScalarType.Float32);
        var piece = Mxfp4.Decode(tensor(bytes, [2, 3, 4, 16]).transpose(0, 1), tensor(codes, [2, 3, 4]).transpose(0, 1), ScalarType.Float32);

        Quantities.SameBits(numbers, tensor(expected, [2, 3, 128]));
        Quantities.SameBits(piece, tensor(expected, [2, 3, 128]).transpose(0, 1));
    }

    [Theory]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    public void Other_types_get_what_Float32_holds(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var (blocks, scales) = (tensor(Quantities.Bytes(1, 256 * 16), [256, 16]), arange(256, dtype: ScalarType.Int64).to(ScalarType.Byte));

        Quantities.SameBits(Mxfp4.Decode(blocks, scales, type), Mxfp4.Decode(blocks, scales, ScalarType.Float32).to(type));
    }

    [Fact]
    public void Nothing_at_all_is_decoded_to_nothing()
    {
        using var scope = NewDisposeScope();

        Mxfp4.Decode(empty([3, 0, 16], dtype: ScalarType.Byte), empty([3, 0], dtype: ScalarType.Byte), ScalarType.Float32).shape.Should().Equal(3, 0);
    }

    [Fact]
    public void Tensors_of_other_shapes_and_types_are_refused()
    {
        using var scope = NewDisposeScope();
        var blocks = zeros([2, 3, 16], dtype: ScalarType.Byte);

        FluentActions.Invoking(() => Mxfp4.Decode(blocks, zeros([2, 4], dtype: ScalarType.Byte), ScalarType.Float32)).Should().Throw<ArgumentException>()
            .WithMessage("Expected blocks of shape [[]*, G, 16] and scales of shape [[]*, G], got [[]2, 3, 16] and [[]2, 4].*".Replace("[[]", "[", StringComparison.Ordinal));
        FluentActions.Invoking(() => Mxfp4.Decode(blocks.to(ScalarType.Int8), zeros([2, 3], dtype: ScalarType.Byte), ScalarType.Float32)).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => Mxfp4.Decode(blocks, zeros([2, 3], dtype: ScalarType.Byte), ScalarType.Int32)).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => Mxfp4.Decode(blocks.narrow(2, 0, 8), zeros([2, 3], dtype: ScalarType.Byte), ScalarType.Float32)).Should().Throw<ArgumentException>();
    }

    [Fact]
    public void Decoding_leaves_nothing_alive()
    {
        using var blocks = zeros([2, 3, 16], dtype: ScalarType.Byte);
        using var scales = zeros([2, 3], dtype: ScalarType.Byte);

        Quantities.LeftAlive(() => Mxfp4.Decode(blocks, scales, ScalarType.Float64).Dispose()).Should().Be(0);
        Quantities.LeftAlive(() => Mxfp4.Decode(blocks, scales, ScalarType.Float32).Dispose()).Should().Be(0);
        Quantities.LeftAlive(() => Mxfp4Tensors.WithTorch(blocks, scales, ScalarType.Float32).Dispose()).Should().Be(0);
    }
}
